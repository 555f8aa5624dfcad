"""Short lists of names whose meaning everybody knows. Lower case."""

# fmt: off
FREE_MAIL = frozenset((
    "gmail.com", "yahoo.com", "hotmail.com", "outlook.com", "aol.com", "gmx.de", "gmx.net", "web.de", "mail.ru",
    "yandex.ru", "qq.com", "163.com",
))
SHORTENERS = frozenset((
    "bit.ly", "tinyurl.com", "t.co", "goo.gl", "is.gd", "ow.ly", "cutt.ly", "rb.gy", "shorturl.at", "t.ly",
    "rebrand.ly", "buff.ly",
))
# Second labels below which people register names (example.co.uk).
SECOND_LEVEL = frozenset(("co", "com", "org", "net", "gov", "ac", "edu", "or", "ne", "go"))
# File name endings that run code, or carry a page or disk image that does.
DANGEROUS = frozenset((
    "exe", "scr", "com", "pif", "bat", "cmd", "js", "jse", "vbs", "vbe", "wsf", "hta", "lnk", "iso", "img", "msi",
    "jar", "ps1", "docm", "xlsm", "pptm", "htm", "html", "shtml", "svg", "one",
))
# fmt: on
