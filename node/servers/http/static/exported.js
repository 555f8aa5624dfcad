// What mail clients change when they save a message, and the usual ways to undo it. A way counts only when the SHA-256
// of the receipt comes out, so nothing here weakens the proof. `waxseal verify` knows more ways.

const PRIVATE = new Set(
  ("status x-status x-keywords x-uid x-uidl x-imap x-imapbase content-length lines x-mozilla-status x-mozilla-status2 " +
    "x-mozilla-keys x-account-key x-tuid x-evolution x-folder x-gmail-labels x-gm-thrid").split(" "),
);

const LARGEST = 1 << 24; // octets; larger messages are looked at as they are

// Texts with one character an octet: what octets cannot do, search and replace, is done on them.
const text = (octets) => {
  const pieces = [];
  for (let at = 0; at < octets.length; at += 1 << 15) pieces.push(String.fromCharCode(...octets.subarray(at, at + (1 << 15))));
  return pieces.join("");
};
const octets = (letters) => Uint8Array.from(letters, (letter) => letter.charCodeAt(0));

// The message as it is, then each way to undo what was changed: {rules, content}.
export function* ways(content) {
  yield { rules: [], content };
  if (content.length > LARGEST) return;
  for (const { rules, letters } of undone({ rules: [], letters: text(content) })) {
    if (rules.length) yield { rules, content: octets(letters) };
  }
}

const RULES = [
  function* (letters) {
    if (letters.startsWith("\xef\xbb\xbf")) yield ["a byte order mark at the start", letters.slice(3)];
    else yield [null, letters];
  },
  function* (letters) {
    const line = /^From [^\r\n]*(\r*\n|\r)/.exec(letters);
    yield line ? ["a mailbox separator line at the start", letters.slice(line[0].length)] : [null, letters];
  },
  function* (letters) {
    const whole = letters.replace(/\r*\n/g, "\r\n");
    if (whole !== letters) yield ["other line ends than CRLF", whole];
    yield [null, letters];
  },
  function* (letters) {
    const cleared = withoutPrivate(letters);
    if (cleared !== letters) yield ["header fields added by the client", cleared];
    yield [null, letters];
  },
  function* (letters) {
    const plain = letters.replace(/^>(>*From )/gm, "$1");
    if (plain !== letters) yield ["lines quoted as >From", plain];
    yield [null, letters];
  },
  function* (letters) {
    const end = /[\r\n]*$/.exec(letters)[0];
    const bare = letters.slice(0, letters.length - end.length);
    const eol = letters.includes("\r\n") ? "\r\n" : "\n";
    yield [null, letters];
    for (const other of new Set(["", eol, eol + eol])) {
      if (other !== end) yield ["line ends at the very end", bare + other];
    }
  },
];

function* undone(way, rules = RULES) {
  if (!rules.length) {
    yield way;
    return;
  }
  for (const [rule, letters] of rules[0](way.letters)) {
    yield* undone({ rules: rule ? [...way.rules, rule] : way.rules, letters }, rules.slice(1));
  }
}

function withoutPrivate(letters) {
  const blank = /(^|\n)\r?\n/.exec(letters);
  const end = blank ? blank.index + blank[1].length : letters.length;
  const fields = letters.slice(0, end).split(/(?<=\n)(?![ \t])/);
  const kept = fields.filter((field) => !PRIVATE.has(/^([!-9;-~]+)[ \t]*:/.exec(field)?.[1].toLowerCase()));
  return kept.join("") + letters.slice(end);
}

// What about the file looks like an export's doing, in words.
export function oddities(content) {
  const letters = text(content.subarray(0, LARGEST));
  return [
    [letters.startsWith("\xef\xbb\xbf"), "it begins with a byte order mark"],
    [/^From [^\r\n]*\r?\n/.test(letters), "it begins with a mailbox separator line"],
    [/(^|[^\r])\n/.test(letters), "its lines end in LF instead of CRLF"],
    [withoutPrivate(letters) !== letters, "it has fields that mail clients add"],
  ]
    .filter(([isSo]) => isSo)
    .map(([, words]) => words);
}
