"""Which passwords are refused: short ones (the schema sees to that), common ones in any dress, and the account's own name.

No rule asks for digits or signs: they make people append "1!" (NIST SP 800-63B, 3.1.1.2). What is compared is the password
without such dress: in small letters, with the usual signs read as the letters they stand for, and without what is appended.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from transactional.platform.errors import Problem

_LEET = str.maketrans("013457@$!", "oieastasi")
_DRESS = re.compile(r"^[\W\d_]+|[\W\d_]+$")
# The most frequent passwords of published leaks, without dress; those with too few letters fail by their length.
_MOST_USED = """
password passwort motdepasse contrasena senha welcome letmein iloveyou sunshine princess football baseball basketball
superman batman trustno monkey dragon master shadow michael jennifer jordan hunter harley ranger buster thomas robert soccer
hockey killer george charlie andrew michelle jessica pepper daniel ashley nicole amanda joshua matthew william computer
internet starwars pokemon liverpool chelsea arsenal barcelona realmadrid manchester juventus whatever freedom mustang
corvette ferrari porsche mercedes yamaha samsung google facebook linkedin microsoft windows apple android qwerty qwertyui
qwertyuiop qwertyuio qwertz qwertzui qwertzuiop azerty azertyui azertyuiop asdfgh asdfghjk asdfghjkl zxcvbn zxcvbnm qazwsx
qazwsxedc qweasd qweasdzxc qwerasdf asdfasdf asdfqwer qwerqwer abcabc abcdefg abcdefgh abcdefghi abcd changeme changeit
default secret secrets letmeinnow admin administrator root rootroot toor guest testtest test tester testing user username
login logmein access passw0rd pass passpass passphrase mypassword yourpassword nopassword babygirl lovely loveyou iloveu
ilovegod jesus jesuschrist blessed angel angels butterfly purple orange banana chocolate cookie cheese flower summer winter
spring autumn monday friday december november october september january february hello helloworld hellohello goodbye money
mother father family friends forever maverick phoenix midnight startrek sparky spongebob snoopy scooby scoobydoo mickey
mickeymouse tinkerbell hannah elizabeth victoria alexander alexandra samantha stephanie christopher christian anthony
benjamin jonathan nicholas patrick richard steven brandon justin tyler maggie bailey ginger tigger peanut rainbow diamond
silver golden platinum gateway cowboys steelers yankees lakers redsox eagles packers dallas chicago newyork london paris
berlin america australia canada england germany italia espana fuckyou fuckoff asshole bullshit fuckme biteme blink metallica
nirvana eminem slipknot greenday beatles blahblah nothing nothingg qwe qwert dragonball naruto minecraft fortnite roblox
zelda pikachu warcraft starcraft counterstrike correcthorsebatterystaple opensesame swordfish rosebud bond jamesbond trustme
zaqwsx zaqxsw zaqxswcde qpwoeiruty lakefront storefront marketplace shopping
"""
_COMMON = frozenset(_MOST_USED.split())
_RUNS = ("abcdefghijklmnopqrstuvwxyz", "qwertyuiopasdfghjklzxcvbnm", "01234567890123456789", "1q2w3e4r5t6y7u8i9o0p")
_FEWEST_CHARACTERS = 5
"""So many different ones a password has at least."""
_SHORTEST_NAME = 4


def check(password: str, email: str, field: str = "password") -> None:
    """Raises Problem 422 for a password that somebody would try first; ``field`` is what the request calls it."""
    if (fault := _fault(password, email)) is not None:
        errors = [{"field": field, "message": fault}]
        raise Problem(
            422, "weak_password", "The password is too easy to guess", f"The password {fault}.", errors=errors
        )


def _fault(password: str, email: str) -> str | None:
    plain = password.casefold()
    name, _, domain = email.casefold().rpartition("@")
    names = {email.casefold(), name, domain.split(".", 1)[0]}
    dresses = set(_undressed(plain))
    if dresses & names or any(len(each) >= _SHORTEST_NAME and each in plain for each in (email.casefold(), name)):
        return "must not be the e-mail address or a part of it"
    if len(set(plain)) < _FEWEST_CHARACTERS:
        return f"must have at least {_FEWEST_CHARACTERS} different characters"
    if any(plain in run or plain in run[::-1] for run in _RUNS):
        return "must not be a row of keys or letters"
    halves = {each[: len(each) // 2] for each in dresses if each[: len(each) // 2] * 2 == each}
    if (dresses | halves) & _COMMON:
        return "is one of the most used ones"
    return None


def _undressed(plain: str) -> Iterator[str]:
    """What may be meant: as it is, without what is put before and behind, and with signs read as letters."""
    for each in (plain, _DRESS.sub("", plain)):
        yield each
        read = each.translate(_LEET)
        yield read
        yield re.sub(r"[\W\d_]", "", read)
