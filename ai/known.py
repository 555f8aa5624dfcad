"""Short lists of names whose meaning everybody knows. Lower case."""

# fmt: off
FREE_MAIL = frozenset((
    "gmail.com", "googlemail.com", "yahoo.com", "ymail.com", "hotmail.com", "outlook.com", "live.com", "msn.com",
    "aol.com", "icloud.com", "me.com", "proton.me", "protonmail.com", "gmx.de", "gmx.net", "gmx.at", "web.de",
    "t-online.de", "freenet.de", "mail.ru", "yandex.ru", "bk.ru", "qq.com", "163.com", "126.com", "naver.com",
    "daum.net", "hanmail.net", "libero.it", "orange.fr", "wanadoo.fr", "free.fr", "laposte.net", "wp.pl", "o2.pl",
    "onet.pl", "interia.pl", "seznam.cz", "uol.com.br", "bol.com.br", "comcast.net", "verizon.net", "att.net",
    "sbcglobal.net", "btinternet.com", "zoho.com", "tutanota.com", "fastmail.com", "hey.com", "yahoo.co.jp",
    "rediffmail.com", "hotmail.fr", "hotmail.co.uk", "yahoo.fr", "yahoo.de", "yahoo.co.uk", "ukr.net", "abv.bg",
    "citromail.hu", "freemail.hu",
))
# Where anybody puts up a page or a file within a minute. Honest people do so too.
FREE_HOSTING = frozenset((
    "web.app", "firebaseapp.com", "googleapis.com", "blogspot.com", "amazonaws.com", "pages.dev", "workers.dev",
    "weebly.com", "github.io", "azurewebsites.net", "windows.net", "netlify.app", "vercel.app", "glitch.me",
    "wixsite.com", "wordpress.com", "r2.dev", "ipfs.io", "dweb.link", "forms.gle", "jotform.com", "typeform.com",
    "notion.site", "godaddysites.com", "000webhostapp.com", "herokuapp.com", "cloudfront.net", "replit.app",
    "webflow.io", "duckdns.org", "ngrok.io", "trycloudflare.com", "telegra.ph", "linktr.ee",
))
ARCHIVES = frozenset(("zip", "rar", "7z", "gz", "tgz", "tar", "bz2", "xz", "ace", "arj", "cab", "z"))
DOCUMENTS = frozenset((
    "pdf", "doc", "docx", "xls", "xlsx", "ppt", "pptx", "odt", "ods", "rtf", "csv", "ics", "jpg", "jpeg", "png",
))
SHORTENERS = frozenset((
    "bit.ly", "tinyurl.com", "t.co", "goo.gl", "is.gd", "ow.ly", "cutt.ly", "rb.gy", "shorturl.at", "t.ly",
    "rebrand.ly", "buff.ly", "lnkd.in", "tiny.cc", "s.id", "qrco.de", "shorturl.com", "bl.ink", "soo.gd", "v.gd",
    "dlvr.it", "wp.me",
))
# Second labels below which people register names (example.co.uk).
SECOND_LEVEL = frozenset(("co", "com", "org", "net", "gov", "ac", "edu", "or", "ne", "go"))
# File name endings that run code, or carry a page or disk image that does.
DANGEROUS = frozenset((
    "exe", "scr", "com", "pif", "bat", "cmd", "js", "jse", "vbs", "vbe", "wsf", "hta", "lnk", "iso", "img", "msi",
    "jar", "ps1", "docm", "xlsm", "pptm", "htm", "html", "shtml", "xhtml", "svg", "one", "vhd", "vhdx", "xll", "chm",
    "cpl", "msc", "reg", "url", "wsh", "appx", "apk", "dmg", "ace",
))
# fmt: on
