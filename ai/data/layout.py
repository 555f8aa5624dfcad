"""From a letter to RFC 5322 bytes, in the forms that today's tools write. No form belongs to ham or to spam."""

from __future__ import annotations

import base64
import quopri
import random
from html import escape

from ai.data import hosts
from ai.data.compose import Letter, url

_PLAIN_KINDS = frozenset(("personal", "work", "thread", "outreach"))
_DANGEROUS = (".zip", ".html", ".htm", ".iso", ".docm", ".xlsm", ".lnk", ".img", ".rar", ".svg", ".exe", ".js", ".7z")
_FONTS = (
    "Arial,sans-serif",
    "Helvetica,Arial,sans-serif",
    "Georgia,serif",
    "'Segoe UI',Tahoma,sans-serif",
    "Verdana,sans-serif",
    "'Open Sans',Arial",
)
_COLOURS = ("#1a73e8", "#d93025", "#0f9d58", "#222222", "#ff6600", "#5b2a86", "#c8102e", "#00529b")


def render(chance: random.Random, letter: Letter) -> bytes:
    """The whole message. The same state of ``chance`` gives the same bytes."""
    kind = letter.scenario.kind
    plain_forms = ("plain", "plain", "alternative", "light")
    form = chance.choice(
        plain_forms if kind in _PLAIN_KINDS else ("html", "html", "alternative", "alternative", "light", "plain")
    )
    blocks = [letter.before, *letter.paragraphs, letter.after]
    texts = [text for text in blocks if text]
    parts: list[tuple[str, str]] = []
    if form in ("plain", "alternative"):
        parts.append(("plain", _plain(chance, letter, texts)))
    if form == "light":
        parts.append(("html", _light(chance, letter, texts)))
    elif form != "plain":
        parts.append(("html", _page(chance, letter, texts)))
    return _assemble(chance, letter, parts)


def _plain(chance: random.Random, letter: Letter, texts: list[str]) -> str:
    said = "\n\n".join(texts)
    if letter.button:
        said += chance.choice(
            (
                f"\n\n{letter.button}: {letter.target}",
                f"\n\n{letter.button}\n{letter.target}",
                f"\n\n{letter.button} ( {letter.target} )",
            )
        )
    return said + (f"\n\n{chance.choice(('--', '', '____________'))}\n{letter.footer}" if letter.footer else "") + "\n"


def _light(chance: random.Random, letter: Letter, texts: list[str]) -> str:
    """HTML as a mail client writes it when somebody types."""
    tag = chance.choice(("div", "p", 'div dir="ltr"'))
    close = tag.split(" ")[0]
    body = "".join(
        f"<{tag}>{_lines(text)}</{close}>" + chance.choice(("<br>", "<div><br></div>", "")) for text in texts
    )
    if letter.button:
        body += f'<{tag}><a href="{escape(letter.target)}">{escape(_shown(chance, letter))}</a></{close}>'
    if letter.footer:
        body += f"<hr><small>{_lines(letter.footer)}</small>"
    return f"<html><head></head><body>{body}</body></html>" if chance.random() < 0.6 else body


def _page(chance: random.Random, letter: Letter, texts: list[str]) -> str:
    """HTML as mailing tools write it: preview line, logo, one column, button, footer, counting pixel."""
    font, colour = chance.choice(_FONTS), chance.choice(_COLOURS)
    cell = (
        f"padding:{chance.choice((8, 12, 16, 24))}px;font-family:{font};font-size:{chance.choice((13, 14, 15, 16))}px"
    )
    rows = [_logo(chance, letter)] if chance.random() < 0.6 else []
    if chance.random() < 0.3:
        rows.append(f'<h1 style="color:{colour}">{escape(letter.subject)}</h1>')
    rows += [f'<p style="margin:0 0 16px">{_lines(text)}</p>' for text in texts]
    if letter.button:
        spot = len(rows) if chance.random() < 0.7 else chance.randint(1, len(rows))
        rows.insert(spot, _button(chance, letter, colour))
    if chance.random() < 0.25:
        rows.append(_platforms(chance))
    if letter.footer:
        rows.append(
            f'<p style="font-size:11px;color:#888888">{_lines(letter.footer)} {_small_links(chance, letter)}</p>'
        )
    if chance.random() < 0.2:
        body = "".join(f"<div>{row}</div>" for row in rows)
    else:
        body = '<table role="presentation" width="100%"><tr><td align="center"><table width="600" class="c">' + "".join(
            f'<tr><td style="{cell}">{row}</td></tr>' for row in rows
        ) + "</table></td></tr></table>"  # fmt: skip
    pixel = f'<img src="{escape(letter.target)}&o=1" width="1" height="1" alt="">' if chance.random() < 0.55 else ""
    style = (
        "<style>@media (max-width:600px){.c{width:100%!important}} body{margin:0}</style>"
        if chance.random() < 0.7
        else ""
    )
    title = escape(letter.subject) if chance.random() < 0.3 else ""
    return (
        f'<!DOCTYPE html><html><head><meta charset="utf-8"><title>{title}</title>{style}</head>'
        f'<body style="margin:0;background:#f4f4f4">{_preheader(chance, letter)}{body}{pixel}</body></html>'
    )


def _preheader(chance: random.Random, letter: Letter) -> str:
    if chance.random() > 0.45:
        return ""
    shown = chance.choice((letter.subject, letter.paragraphs[0][:90] if letter.paragraphs else ""))
    padding = "&zwnj;&nbsp;" * chance.randint(0, 90)
    return f'<div style="display:none;max-height:0;overflow:hidden">{escape(shown)}{padding}</div>'


def _logo(chance: random.Random, letter: Letter) -> str:
    host = chance.choice(
        (f"img.{letter.domain}", f"cdn.{letter.domain}", "images.ctfassets.net", "i.imgur.com", letter.domain)
    )
    source, width = f"https://{host}/{hosts.nonsense(chance)}.png", chance.choice((120, 180, 600))
    words = escape(chance.choice((letter.name, "")))
    return f'<a href="{escape(letter.target)}"><img src="{source}" width="{width}" alt="{words}"></a>'


def _button(chance: random.Random, letter: Letter, colour: str) -> str:
    style = f"background:{colour};color:#ffffff;padding:12px 24px;border-radius:4px"
    return f'<a href="{escape(letter.target)}" style="{style}">{escape(_shown(chance, letter))}</a>'


def _shown(chance: random.Random, letter: Letter) -> str:
    """The words of the main link; now and then an address, which on dishonest mail is another one's."""
    if chance.random() < (0.12 if letter.scenario.is_spam else 0.04):
        famous = ("paypal.com", "amazon.com", "microsoft.com", letter.domain)
        return f"https://www.{chance.choice(famous) if letter.scenario.is_spam else letter.domain}/"
    return letter.button


def _platforms(chance: random.Random) -> str:
    chosen = chance.sample(hosts.PLATFORMS, chance.randint(1, 4))
    return " ".join(
        f'<a href="https://www.{host}/{hosts.nonsense(chance)}"><img src="https://static.{host}/i.png" alt=""></a>'
        for host in chosen
    )


def _small_links(chance: random.Random, letter: Letter) -> str:
    if chance.random() < 0.5:
        return ""
    host = letter.target.split("/")[2]
    return (
        " | ".join(
            f'<a href="{escape(url(chance, host))}">{word}</a>'
            for word in chance.sample(("Unsubscribe", "Preferences", "Privacy", "View online"), 2)
        )
        if letter.scenario.language == "en"
        else f'<a href="{escape(url(chance, host))}">X</a>'
    )


def _lines(text: str) -> str:
    return "<br>".join(escape(text, quote=False).split("\n"))


def _assemble(chance: random.Random, letter: Letter, parts: list[tuple[str, str]]) -> bytes:
    fields = [
        f"From: {_named(chance, letter.name)} <{letter.address}>",
        f"To: {letter.recipient}",
        f"Subject: {_encoded(chance, letter.subject)}",
    ]
    if letter.reply_to:
        fields.append(f"Reply-To: <{letter.reply_to}>")
    if letter.scenario.kind == "thread":
        fields.append(f"In-Reply-To: <{chance.getrandbits(60):x}@example.net>")
    fields.append("MIME-Version: 1.0")
    chance.shuffle(fields)
    blocks = [_text_part(chance, subtype, text) for subtype, text in parts]
    if len(blocks) > 1:
        blocks = [_joined(chance, "alternative", blocks)]
    extra = [_file(chance, letter.file)] if letter.file else []
    if letter.scenario.kind == "calendar" and not letter.scenario.is_spam and chance.random() < 0.5:
        extra.append(_file(chance, "invite.ics"))
    if extra:
        blocks = [_joined(chance, "mixed", [*blocks, *extra])]
    return ("\r\n".join(fields) + "\r\n" + blocks[0].replace("\n", "\r\n")).encode()


def _file(chance: random.Random, name: str) -> str:
    kind = "application/pdf" if name.endswith(".pdf") else "application/octet-stream"
    content = base64.encodebytes(chance.randbytes(90)).decode()
    label = _encoded(chance, name)
    return (
        f'Content-Type: {kind}; name="{label}"\nContent-Disposition: attachment; filename="{label}"\n'
        f"Content-Transfer-Encoding: base64\n\n{content}"
    )


def _joined(chance: random.Random, subtype: str, blocks: list[str]) -> str:
    boundary = f"b{chance.getrandbits(64):x}"
    body = "".join(f"--{boundary}\n{block}\n" for block in blocks)
    return f'Content-Type: multipart/{subtype}; boundary="{boundary}"\n\n{body}--{boundary}--\n'


def _text_part(chance: random.Random, subtype: str, text: str) -> str:
    head = f'Content-Type: text/{subtype}; charset="utf-8"\nContent-Transfer-Encoding: '
    if chance.random() < 0.4:
        return f"{head}base64\n\n{base64.encodebytes(text.encode()).decode()}"
    return f"{head}quoted-printable\n\n{quopri.encodestring(text.encode()).decode()}"


def _named(chance: random.Random, name: str) -> str:
    coded = _encoded(chance, name)
    return f'"{coded}"' if coded == name and any(char in name for char in ",.:;@()<>[]") else coded


def _encoded(chance: random.Random, text: str) -> str:
    text = " ".join(text.replace('"', "'").split())
    if text.isascii():
        return text
    words: list[str] = []
    room = 0  # RFC 2047: at most 75 characters an encoded word, whole characters only
    for char in text:
        if not words or room + len(char.encode()) > 42:
            words.append("")
            room = 0
        words[-1] += char
        room += len(char.encode())
    return "\r\n ".join(f"=?utf-8?b?{base64.b64encode(word.encode()).decode()}?=" for word in words)
