"""What the demo's tickets are made of. No clause has thirteen words, so that only a copy shares thirteen in a row."""

from __future__ import annotations

from typing import NamedTuple


class Product(NamedTuple):
    """Something that a ticket is about: how customers call it, who looks after it, what goes wrong with it."""

    names: tuple[str, ...]
    queue: str
    faults: tuple[str, ...]


_BOX = (
    "will not switch on any more",
    "shows error {code} and then stops",
    "makes a grinding noise after {few} minutes",
    "switches itself off {few} times a day",
    "smells burnt and gets very hot",
    "has a broken plug on its cable",
)
_LINE = (
    "drops out every {few} minutes",
    "refuses to connect and says {code}",
    "has been as slow as a snail since {when}",
    "finds no signal in room {room}",
    "loses the connection during every call",
)
_PROGRAM = (
    "crashes with message {code} on every start",
    "shows an empty screen instead of my data",
    "has lost the {few} entries of last week",
    "takes {few} minutes to open one page",
    "prints wrong totals since the last update",
)

PRODUCTS: dict[str, Product] = {
    "laptop": Product(("laptop", "notebook"), "hardware", _BOX),
    "printer": Product(("printer", "label printer"), "hardware", (*_BOX, "jams after {few} sheets of paper")),
    "monitor": Product(("monitor", "second screen"), "hardware", (*_BOX, "flickers as soon as the sun is out")),
    "phone": Product(("desk phone", "headset"), "hardware", (*_BOX, "rings but nobody can hear me")),
    "vpn": Product(("VPN", "remote access"), "network", _LINE),
    "wifi": Product(("wifi", "wireless network"), "network", _LINE),
    "mail": Product(("mailbox", "mail program"), "software", (*_PROGRAM, "sends every message {few} times")),
    "payroll": Product(("payroll portal", "salary page"), "software", _PROGRAM),
    "crm": Product(("customer database", "CRM"), "software", _PROGRAM),
}
NEW_PRODUCTS: dict[str, Product] = {
    "badge": Product(
        ("door badge", "key card"),
        "hardware",
        (
            "opens no door on floor {few}",
            "beeps {few} times and stays red",
            "was accepted {when} and is not any more",
            "has a photo of somebody else",
            "is bent and the reader ignores it",
        ),
    ),
    "chat": Product(
        ("team chat", "messenger"),
        "software",
        (
            "shows messages of {when} as new",
            "rings for channels that I left",
            "sends my files to the wrong channel",
            "has swallowed {few} messages of my team",
            "goes grey and says {code} during every meeting",
        ),
    ),
}
"""What nobody had when the first model was trained."""
LOCKED_OUT = (
    "does not accept my password any more",
    "says that my account is locked",
    "asks for a code that never arrives",
    "tells me that I lack the rights",
)
"""Whatever it is, this is for those who look after accounts."""


class World(NamedTuple):
    """What tickets are about, and what the queue is called that looks after accounts."""

    products: dict[str, Product]
    access: str


BEFORE = World(PRODUCTS, "access")
RENAMED = World(PRODUCTS, "identity")
"""The queue has another name already; the export of tickets knows of no new product yet."""
AFTER = World({**PRODUCTS, **NEW_PRODUCTS}, "identity")
URGENCY: dict[str, tuple[str, ...]] = {
    "high": (
        "I have a client on the line in {few} minutes",
        "Nobody in {department} can work until this is solved",
        "We are losing orders every hour",
        "Please drop everything else, {few} people are waiting",
    ),
    "normal": (
        "Please have a look before {weekday}",
        "It slows me down every single day",
        "I can work around it until {weekday} or so",
        "A visit this week would be good",
    ),
    "low": (
        "There is no hurry at all",
        "Whenever somebody has {few} minutes is fine",
        "This can wait until next month",
        "It is only a small thing, take your time",
    ),
}
DETAILS = (
    "It started {when} after {event}",
    "I have tried {attempt} {few} times already",
    "The sticker on it says {asset}",
    "My neighbour in room {room} has the same trouble",
    "Before {event} it was all right",
    "{other} from {department} saw it too",
    "I wrote about it {when} in ticket {asset}",
)
OPENINGS = (
    "{name} here, {department}, room {room}",
    "Hello, this is {name} from room {room}",
    "Good morning from {department}, {name} speaking",
    "Hi team, {name} in {department} again",
    "Dear helpdesk, I sit in room {room}",
    "Hello, I am {name} and new in {department}",
)
CLOSINGS = ("Thanks", "Many thanks, {name}", "Kind regards, {name}", "Thank you", "Best wishes from room {room}")
CONTACTS = {
    "email": ("Write to {email} when it is done", "My address is {email} by the way"),
    "phone": ("Call me on {phone} if you need me", "You can ring {phone} after lunch"),
}
FORWARDED = (
    "A colleague in {department} asked me to pass this on to you.",
    "Somebody left this note on my desk in room {room}.",
)
SHORT = ("hi", "help", "hello ?", "printer", "call me", "urgent", "again", "test", "any news", "thanks")
REPEATED = ("urgent", "help", "broken", "printer", "please", "now")
FAREWELLS = ("cheers", "bye", "greetings", "regards", "gratefully", "yours", "sincerely", "truly")

NAMES = (
    "Amira", "Bela", "Carla", "Chen", "Dario", "Edith", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Kofi", "Lena",
    "Mara", "Nils", "Olga", "Pablo", "Quinn", "Rosa", "Sven", "Tariq", "Uma", "Viktor", "Wanda", "Yusuf", "Zoe",
)  # fmt: skip
DEPARTMENTS = (
    "accounting", "sales", "purchasing", "the warehouse", "marketing", "research", "the workshop", "legal", "reception",
    "logistics",
)  # fmt: skip
WHEN = ("yesterday", "this morning", "last Monday", "on Friday", "two weeks ago", "after lunch", "over the weekend")
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
EVENTS = (
    "the update", "the power cut", "our move", "the storm", "my holiday", "the office party", "the new cabling",
    "the fire drill",
)  # fmt: skip
ATTEMPTS = ("a restart", "another cable", "your guide", "the other socket", "a new login", "the safe mode")
