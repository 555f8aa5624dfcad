"""Well-known names that mail pretends to come from, and the registrable domains that they really send from.

Used to see impersonation (a brand's name on mail of another domain) and to write training mail. Nominative use only; a
missing brand means one clue less, never a refusal.
"""

from __future__ import annotations

import re
from functools import cache

# fmt: off
BRANDS: dict[str, tuple[str, ...]] = {
    # money
    "PayPal": ("paypal.com", "paypal.co.uk", "paypal.de"), "Venmo": ("venmo.com",), "Cash App": ("cash.app", "square.com"),
    "Stripe": ("stripe.com",), "Klarna": ("klarna.com", "klarna.de"), "Wise": ("wise.com",), "Revolut": ("revolut.com",),
    "American Express": ("americanexpress.com", "aexp.com"), "Visa": ("visa.com",), "Mastercard": ("mastercard.com",),
    "Chase": ("chase.com", "jpmorgan.com"), "Wells Fargo": ("wellsfargo.com",), "Bank of America": ("bankofamerica.com", "bofa.com"),
    "Citi": ("citi.com", "citibank.com"), "Capital One": ("capitalone.com",), "U.S. Bank": ("usbank.com",), "HSBC": ("hsbc.com", "hsbc.co.uk"),
    "Barclays": ("barclays.co.uk", "barclays.com"), "Lloyds Bank": ("lloydsbank.co.uk",), "Santander": ("santander.com", "santander.co.uk", "santander.es"),
    "BBVA": ("bbva.com", "bbva.es"), "CaixaBank": ("caixabank.es", "caixabank.com"), "BNP Paribas": ("bnpparibas.com", "bnpparibas.net"),
    "Crédit Agricole": ("credit-agricole.fr", "ca-paris.fr"), "Société Générale": ("societegenerale.fr", "socgen.com"), "La Banque Postale": ("labanquepostale.fr",),
    "Deutsche Bank": ("deutsche-bank.de", "db.com"), "Commerzbank": ("commerzbank.de", "commerzbank.com"), "Sparkasse": ("sparkasse.de",),
    "Volksbank": ("volksbank.de", "vr.de"), "N26": ("n26.com",), "ING": ("ing.com", "ing.de", "ing.nl"), "Rabobank": ("rabobank.nl", "rabobank.com"), "ABN AMRO": ("abnamro.nl", "abnamro.com"),
    "UniCredit": ("unicredit.it", "unicredit.eu"), "Intesa Sanpaolo": ("intesasanpaolo.com",), "Poste Italiane": ("posteitaliane.it", "poste.it"),
    "Itaú": ("itau.com.br", "itau-unibanco.com.br"), "Bradesco": ("bradesco.com.br",), "Nubank": ("nubank.com.br",), "Banco do Brasil": ("bb.com.br",),
    "Nordea": ("nordea.com", "nordea.se", "nordea.fi"), "Swedbank": ("swedbank.se", "swedbank.com"), "Danske Bank": ("danskebank.dk", "danskebank.com"),
    "PKO Bank Polski": ("pkobp.pl",), "mBank": ("mbank.pl",), "Sberbank": ("sberbank.ru",), "PrivatBank": ("privatbank.ua",), "Ziraat": ("ziraatbank.com.tr",),
    "Mitsubishi UFJ": ("mufg.jp", "bk.mufg.jp"), "Rakuten": ("rakuten.co.jp", "rakuten.com"), "SBI": ("sbisec.co.jp", "sbi.co.jp"), "JCB": ("jcb.co.jp",), "Fidelity": ("fidelity.com",),
    "Charles Schwab": ("schwab.com",), "Robinhood": ("robinhood.com",), "Coinbase": ("coinbase.com",), "Binance": ("binance.com",), "Kraken": ("kraken.com",),
    "MetaMask": ("metamask.io",), "Ledger": ("ledger.com",), "Trezor": ("trezor.io",), "Trust Wallet": ("trustwallet.com",), "IRS": ("irs.gov",), "HMRC": ("hmrc.gov.uk",),
    # post and travel
    "DHL": ("dhl.com", "dhl.de"), "UPS": ("ups.com",), "FedEx": ("fedex.com",), "USPS": ("usps.com", "usps.gov"), "Royal Mail": ("royalmail.com",), "DPD": ("dpd.com", "dpd.de", "dpd.co.uk"),
    "Hermes": ("myhermes.de", "evri.com"), "GLS": ("gls-group.com", "gls-group.eu"), "La Poste": ("laposte.fr", "laposte.net"), "Chronopost": ("chronopost.fr",), "Correos": ("correos.es",),
    "CTT": ("ctt.pt",), "PostNL": ("postnl.nl",), "PostNord": ("postnord.se", "postnord.com", "postnord.dk"), "InPost": ("inpost.pl",), "Canada Post": ("canadapost.ca",), "Australia Post": ("auspost.com.au",),
    "Yamato": ("kuronekoyamato.co.jp",), "Sagawa": ("sagawa-exp.co.jp",), "Japan Post": ("japanpost.jp",), "E-ZPass": ("e-zpassny.com", "e-zpass.com"), "Booking.com": ("booking.com",), "Airbnb": ("airbnb.com",),
    "Expedia": ("expedia.com", "expediamail.com"), "Uber": ("uber.com",), "Lyft": ("lyft.com", "lyftmail.com"), "Delta Air Lines": ("delta.com",), "United Airlines": ("united.com",), "Lufthansa": ("lufthansa.com",),
    "British Airways": ("ba.com", "britishairways.com"), "Southwest": ("southwest.com",), "Marriott": ("marriott.com",), "Hilton": ("hilton.com",),
    # shops
    "Amazon": ("amazon.com", "amazon.co.uk", "amazon.de", "amazon.fr", "amazon.co.jp", "aws.com", "amazonaws.com"), "eBay": ("ebay.com", "ebay.de", "ebay.co.uk"), "Walmart": ("walmart.com",), "Target": ("target.com",),
    "Costco": ("costco.com",), "Sam's Club": ("samsclub.com",), "Lowe's": ("lowes.com",), "Home Depot": ("homedepot.com",), "Walgreens": ("walgreens.com",), "CVS": ("cvs.com",), "Kroger": ("kroger.com",),
    "Best Buy": ("bestbuy.com",), "Harbor Freight": ("harborfreight.com",), "Tractor Supply": ("tractorsupply.com",), "Ace Hardware": ("acehardware.com",), "Kohl's": ("kohls.com",), "Macy's": ("macys.com",),
    "IKEA": ("ikea.com",), "Lidl": ("lidl.com", "lidl.de"), "Aldi": ("aldi.us", "aldi.de"), "Tesco": ("tesco.com",), "Carrefour": ("carrefour.fr", "carrefour.com"), "Decathlon": ("decathlon.com", "decathlon.fr"),
    "Zalando": ("zalando.de", "zalando.com"), "Allegro": ("allegro.pl",), "OLX": ("olx.pl", "olx.com.br"), "Mercado Libre": ("mercadolibre.com", "mercadolivre.com.br"), "Etsy": ("etsy.com",), "Shopify": ("shopify.com",),
    "Starbucks": ("starbucks.com",), "McDonald's": ("mcdonalds.com",), "Shell": ("shell.com",), "Yeti": ("yeti.com",), "DeWalt": ("dewalt.com",), "Milwaukee": ("milwaukeetool.com",), "Nike": ("nike.com",), "Omaha Steaks": ("omahasteaks.com",),
    # nets, software, telephone
    "Microsoft": ("microsoft.com", "microsoftonline.com", "office.com"), "Microsoft 365": ("microsoft.com", "office365.com"), "OneDrive": ("microsoft.com", "onedrive.com"), "SharePoint": ("sharepointonline.com", "microsoft.com"), "Outlook": ("outlook.com", "microsoft.com"),
    "Google": ("google.com", "youtube.com"), "Google Drive": ("google.com",), "Apple": ("apple.com", "icloud.com"), "iCloud": ("apple.com", "icloud.com"), "Adobe": ("adobe.com",), "DocuSign": ("docusign.com", "docusign.net"), "Dropbox": ("dropbox.com", "dropboxmail.com"),
    "WeTransfer": ("wetransfer.com",), "Zoom": ("zoom.us", "zoom.com"), "Slack": ("slack.com",), "GitHub": ("github.com",), "GoDaddy": ("godaddy.com",), "OVH": ("ovh.com", "ovhcloud.com"), "IONOS": ("ionos.com", "ionos.de"), "Cloudflare": ("cloudflare.com",),
    "Norton": ("norton.com", "nortonlifelock.com"), "McAfee": ("mcafee.com",), "Geek Squad": ("geeksquad.com", "bestbuy.com"), "Netflix": ("netflix.com",), "Spotify": ("spotify.com",), "Disney+": ("disneyplus.com",), "Hulu": ("hulu.com",), "Steam": ("steampowered.com",),
    "Facebook": ("facebook.com", "facebookmail.com", "meta.com"), "Instagram": ("instagram.com",), "WhatsApp": ("whatsapp.com",), "LinkedIn": ("linkedin.com",), "X": ("x.com", "twitter.com"), "TikTok": ("tiktok.com",), "Telegram": ("telegram.org",),
    "T-Mobile": ("t-mobile.com",), "Verizon": ("verizon.com", "vzw.com"), "AT&T": ("att.com", "att-mail.com"), "Xfinity": ("xfinity.com", "comcast.net", "comcast.com"), "Vodafone": ("vodafone.com", "vodafone.de", "vodafone.it"), "Telekom": ("telekom.de",), "Orange": ("orange.fr", "orange.com"), "SFR": ("sfr.fr",), "Movistar": ("movistar.es",), "TIM": ("tim.it", "telecomitalia.it"), "O2": ("o2online.de", "o2.co.uk"), "GMX": ("gmx.net", "gmx.de"), "WEB.DE": ("web.de",), "Yahoo": ("yahoo.com", "yahoo-inc.com"),
    "AAA": ("aaa.com",), "AARP": ("aarp.org",), "Medicare": ("medicare.gov",), "Blue Cross": ("bcbs.com",), "State Farm": ("statefarm.com",), "GEICO": ("geico.com",),
}
# fmt: on

# Words of everyday language: as a brand only in a display name's beginning or as the whole of it.
_COMMON = frozenset(
    ("x", "wise", "visa", "target", "shell", "orange", "zoom", "slack", "chase", "apple", "yeti", "o2", "tim", "ing")
    + (
        "steam",
        "hermes",
        "ledger",
        "kraken",
        "outlook",
        "google drive",
        "ups",
        "irs",
        "nike",
        "ctt",
        "gls",
        "sbi",
        "aaa",
    )
    + ("stripe", "fidelity", "target", "united airlines", "delta air lines", "delta", "citi")
)


def slug(text: str) -> str:
    """Letters and digits only, lower case: how a name would look inside a domain."""
    return re.sub(r"[\W_]+", "", text.casefold())


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str], dict[str, str]]:
    by_name = {name.casefold(): name for name in BRANDS}
    sure = sorted((name for name in by_name if name not in _COMMON), key=len, reverse=True)
    common = sorted((name for name in by_name if name in _COMMON), key=len, reverse=True)
    return (
        re.compile(r"(?<!\w)(" + "|".join(map(re.escape, sure)) + r")(?!\w)"),
        re.compile(r"\s*(?:your\s+)?(" + "|".join(map(re.escape, common)) + r")(?!\w)"),
        by_name,
    )


def brand_in(text: str, *, is_name: bool = False) -> str:
    """The first well-known brand that a text names, or "". ``is_name``: the text is a display name, so that a common
    word at its beginning ("Chase Alerts") counts too. Look-alike letters must have been folded before."""
    sure, common, by_name = _patterns()
    folded = text[:400].casefold()
    found = sure.search(folded) or (common.match(folded) if is_name else None)
    return by_name[found[1]] if found else ""


def sends(brand: str, domain: str) -> bool:
    """Whether a registrable domain is one that the brand sends from; a label equal to the brand's name counts too
    (brands have hundreds of country domains, and gTLDs of their own)."""
    if any(domain == known or domain.endswith("." + known) for known in BRANDS.get(brand, ())):
        return True
    labels = domain.split(".")
    return len(labels) > 1 and slug(brand) in (labels[0], labels[-1]) and labels[-1] not in ODD_TLDS


# Top-level domains that are cheap and fashionable with senders of junk. Honest small firms use them as well.
ODD_TLDS = frozenset(
    (
        "xyz top shop online site info click live buzz icu cfd sbs rest quest pro help skin beauty hair makeup monster cyou bond fun space website "
        "store today life world club digital network solutions forum click link win bid loan date racing stream download review party trade men work "
        "gdn mom lol pics autos boats homes yachts motorcycles cam uno one best vip cc ws su pw tk ml ga cf gq za.com sa.com ru.com lat mobi"
    ).split()
)
