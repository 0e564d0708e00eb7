"""Requests and answers of accounts."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from transactional.platform.geography import check_country, check_region
from transactional.platform.patterns import COUNTRY, PHONE_NUMBER, TEXT, pattern

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_EMAIL = rf"^[^@\s\x00-\x1f\x7f]{{1,64}}@{_LABEL}(?:\.{_LABEL})+$"


def _with_lower_domain(address: str) -> str:
    name, _, domain = address.rpartition("@")
    return f"{name}@{domain.lower()}"


Email = Annotated[
    str,
    Field(
        pattern=pattern(_EMAIL, "an e-mail address, such as ada@example.com"),
        max_length=254,
        examples=["ada@example.com"],
    ),
    AfterValidator(_with_lower_domain),
]
Password = Annotated[str, Field(min_length=8, max_length=128, examples=["correct horse battery"])]
Name = Annotated[str, Field(max_length=200, pattern=TEXT, examples=["Ada"])]
CountryCode = Annotated[str, Field(pattern=COUNTRY, examples=["GB"], description="ISO 3166-1 alpha-2")]
Country = Annotated[CountryCode, AfterValidator(check_country)]
"""Asked for when it is entered, since an order to any other is refused."""


Role = Literal["shopper", "seller", "merchandiser", "support", "moderator", "analyst", "admin"]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Registration(_Request):
    """A new account."""

    email: Email
    password: Password
    name: Name = ""
    country: Country | None = None


class Login(_Request):
    """Who wants in."""

    email: Email
    password: Annotated[str, Field(min_length=1, max_length=128, examples=["correct horse battery"])]


class Refresh(_Request):
    """A refresh token, good once."""

    refresh_token: Annotated[str, Field(min_length=20, max_length=200)]


LetterToken = Annotated[str, Field(min_length=20, max_length=200, description="As the letter has it.")]


class EmailProof(_Request):
    """Shows that who owns the account reads its letters."""

    token: LetterToken


class ForgottenPassword(_Request):
    """Whose password is forgotten."""

    email: Email


class PasswordReset(_Request):
    """A new password for whoever reads the account's letters."""

    token: LetterToken
    new_password: Password


class PasswordChange(_Request):
    """Another password."""

    current_password: Annotated[str, Field(min_length=1, max_length=128, examples=["correct horse battery"])]
    new_password: Password


class NewSecondFactor(_Request):
    """Which second factor, and the password: a token alone may be stolen."""

    kind: Literal["totp", "sms"]
    password: Annotated[str, Field(min_length=1, max_length=128, examples=["correct horse battery"])]
    phone_number: Annotated[
        str | None, Field(pattern=PHONE_NUMBER, examples=["+442079460123"], description="E.164; for sms.")
    ] = None

    @model_validator(mode="after")
    def _number_for_sms(self) -> NewSecondFactor:
        if (self.kind == "sms") != (self.phone_number is not None):
            raise ValueError("phone_number is sent for sms, and for sms only")
        return self


Code = Annotated[str, Field(min_length=6, max_length=40, examples=["287082"])]


class SecondFactorCode(_Request):
    """A code of the second factor."""

    code: Code


class SecondFactorRemoval(_Request):
    """Shows that the owner does it."""

    password: Annotated[str, Field(min_length=1, max_length=128, examples=["correct horse battery"])]
    code: Code


class SecondFactorLogin(_Request):
    """The second step of a login."""

    challenge: Annotated[str, Field(min_length=20, max_length=200)]
    code: Code


class SecondFactor(BaseModel):
    """What the account has besides its password."""

    kind: Literal["totp", "sms"] | None
    confirmed: bool
    recovery_codes_left: int


class Enrolment(BaseModel):
    """What an authenticator needs; nothing of it is shown again."""

    kind: Literal["totp", "sms"]
    secret: str | None = None
    otpauth_uri: str | None = None


class RecoveryCodes(BaseModel):
    """Each lets in once, when the second factor is lost."""

    recovery_codes: list[str]


def _redirect_uri(uri: str) -> str:
    """Absolute, without a fragment (RFC 6749, 3.1.2); plain http only to this very machine (RFC 8252, 7.3)."""
    parts = urlsplit(uri)
    is_local = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost")
    if not (parts.scheme == "https" and parts.hostname) and not is_local:
        raise ValueError("must be https, or http to this machine")
    if "#" in uri:
        raise ValueError("must have no fragment")
    return uri


_URI = Field(
    pattern=pattern(r"^[\x21-\x7e]+$", "an address in ASCII without spaces, such as https://app.example.com/signed-in"),
    max_length=2000,
    examples=["https://app.example.com/signed-in"],
)
RedirectUri = Annotated[str, _URI, AfterValidator(_redirect_uri)]


class NewClient(_Request):
    """A program that people let act for them."""

    name: Annotated[str, Field(min_length=1, max_length=200, pattern=TEXT, examples=["Price watcher"])]
    redirect_uris: Annotated[list[RedirectUri], Field(max_length=20)] = []
    grants: list[Literal["authorization_code", "password", "refresh_token"]] = ["authorization_code", "refresh_token"]
    confidential: bool = False
    """Whether it can keep a secret, as a server can and a browser cannot."""


class RegisteredClient(NewClient):
    """The client, with what it shows at the token endpoint."""

    client_id: str
    client_secret: str | None


class Authorization(_Request):
    """What a client asked the browser for (RFC 6749, 4.1.1; RFC 7636, 4.3)."""

    response_type: Literal["code"] = "code"
    client_id: Annotated[str, Field(max_length=200, pattern=TEXT)]
    redirect_uri: Annotated[str, _URI]
    code_challenge: Annotated[
        str,
        Field(
            pattern=pattern(r"^[A-Za-z0-9_-]{43}$", "a code challenge: SHA-256 in 43 characters of base64url"),
            examples=["E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"],
        ),
    ]
    code_challenge_method: Literal["S256"]
    state: Annotated[str | None, Field(max_length=500)] = None


class Authorized(BaseModel):
    """Where to send the browser."""

    redirect_to: str


class PasswordProof(_Request):
    """Shows that the owner does it: a token alone may be stolen."""

    password: Annotated[str, Field(min_length=1, max_length=128, examples=["correct horse battery"])]


class OwnerProof(_Request):
    """Shows that the owner does it: a token alone may be stolen. An account without a password shows a login of the last ten
    minutes instead."""

    password: Annotated[str | None, Field(min_length=1, max_length=128, examples=["correct horse battery"])] = None
    code: Annotated[str | None, Field(min_length=6, max_length=40, examples=["287082"])] = None
    """Of the second factor, where the account has one."""


class EmailChange(OwnerProof):
    """The address that the account shall have."""

    email: Email


class EmailUndo(_Request):
    """Shows that who owned the address before reads its letters."""

    token: LetterToken
    new_password: Password


class DeletionAsked(BaseModel):
    """The account is deleted from then on, unless its owner logs in before. Real time."""

    due_at: datetime


class AccountExport(BaseModel):
    """All that is held about an account. Of codes and payment methods only the last characters are kept or shown."""

    exported_at: datetime
    profile: dict[str, Any]
    addresses: list[AddressAnswer]
    sessions: list[dict[str, Any]]
    orders: list[dict[str, Any]]
    """With lines, addresses, payments, coupon, gift cards and history."""
    carts: list[dict[str, Any]]
    wishlists: list[dict[str, Any]]
    reviews: list[dict[str, Any]]
    sellers: list[dict[str, Any]]
    """For whom the account acts."""
    stored_value: list[dict[str, Any]]
    letters: list[dict[str, Any]]
    audit_log: list[dict[str, Any]]


class OpenIDOffer(BaseModel):
    """Whether one can sign in through a provider, and what the button says."""

    enabled: bool
    label: str | None


class OpenIDStart(BaseModel):
    """Where to send the browser."""

    authorization_url: str
    expires_in: int
    """Seconds until it is too late."""


class OpenIDAnswer(_Request):
    """What the provider added to the address that it sent the browser back to."""

    code: Annotated[str, Field(min_length=1, max_length=4000, pattern=pattern(r"^[\x20-\x7e]+$", "printable ASCII"))]
    state: Annotated[str, Field(min_length=20, max_length=200)]
    iss: Annotated[str | None, Field(max_length=2000, description="RFC 9207, where the provider sends it.")] = None


class OpenIDIdentity(BaseModel):
    """A provider that the account is linked to. Times are real time."""

    issuer: str
    linked_at: datetime
    last_used_at: datetime


class OpenIDIdentities(BaseModel):
    """What the account is linked to."""

    items: list[OpenIDIdentity]


class AccountSought(_Request):
    """Whose account it is. In the body, since addresses of requests are logged."""

    email: Email


class AccountFound(BaseModel):
    """What is needed to help its owner; orders and the audit log are asked for by its id."""

    user_id: UUID
    email: str
    name: str
    country: str | None
    role: Role
    created_at: datetime
    email_verified_at: datetime | None
    """Real time; null while nobody has shown to read its letters."""
    second_factor: Literal["totp", "sms"] | None


class RoleChange(_Request):
    """What the account may do from now on."""

    role: Role


class AuditEntry(BaseModel):
    """Who did what to whom."""

    entry_id: UUID
    at: datetime
    actor: str
    action: str
    subject: str
    details: dict[str, Any]


class AuditLog(BaseModel):
    """A page of the audit log."""

    items: list[AuditEntry]
    next_cursor: str | None


_Line = Annotated[str, Field(min_length=1, max_length=200, pattern=TEXT)]


class _Address(_Request):
    """As it is kept: an address from before countries were looked up is still shown."""

    name: Annotated[_Line, Field(examples=["Ada Lovelace"])]
    street: Annotated[_Line, Field(examples=["12 St James's Square"])]
    city: Annotated[_Line, Field(examples=["London"])]
    state: Annotated[str, Field(max_length=200, pattern=TEXT)] = ""
    zip: Annotated[str, Field(max_length=20, pattern=TEXT, examples=["SW1Y 4JH"])] = ""
    country: CountryCode
    phone_number: Annotated[str | None, Field(pattern=PHONE_NUMBER, examples=["+442079460123"])] = None
    is_default: bool = False


class AddressRequest(_Address):
    """Where things are sent, and to whom."""

    country: Country

    @model_validator(mode="after")
    def _state_exists(self) -> AddressRequest:
        check_region(self.country, self.state)
        return self


class AddressAnswer(_Address):
    """An address of the account."""

    address_id: UUID


class AddressList(BaseModel):
    """The account's addresses."""

    items: list[AddressAnswer]


class ProfileChange(_Request):
    """What is left out stays as it is."""

    name: Name | None = None
    country: Country | None = None


class Tokens(BaseModel):
    """What a client logs in with from now on."""

    user_id: UUID
    access_token: str
    refresh_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the scheme's name
    expires_in: int
    """Seconds for which the access token is good."""
    deletion_cancelled: bool = False
    """Whether this login took back that the account is deleted."""


class Session(BaseModel):
    """A login. Times are real time."""

    session_id: UUID
    current: bool
    """Whether this request came from it."""
    user_agent: str
    started_at: datetime
    last_used_at: datetime
    expires_at: datetime


class SessionList(BaseModel):
    """Where the account is logged in."""

    items: list[Session]


class JsonWebKey(BaseModel):
    """A public key (RFC 7517, RFC 8037)."""

    kty: Literal["OKP"]
    crv: Literal["Ed25519"]
    alg: Literal["EdDSA"]
    use: Literal["sig"]
    kid: str
    x: str


class JsonWebKeys(BaseModel):
    """The keys that verify access tokens."""

    keys: list[JsonWebKey]


class Profile(BaseModel):
    """An account, as its owner sees it."""

    user_id: UUID
    email: str
    name: str
    country: str | None
    role: Role
    created_at: datetime
    email_verified_at: datetime | None = None
    """Real time; null while nobody has shown to read its letters."""


class OrderedItem(BaseModel):
    """A line of an order."""

    product_id: UUID
    sku: str
    title: str
    quantity: int
    unit_price: str
    total: str


class OrderInList(BaseModel):
    """An order of the account."""

    order_id: UUID
    number: int
    status: str
    currency: str
    total_amount: str
    placed_at: datetime
    estimated_delivery: datetime | None
    tracking_number: str | None
    items: list[OrderedItem]


class OrderList(BaseModel):
    """A page of orders."""

    items: list[OrderInList]
    next_cursor: str | None
