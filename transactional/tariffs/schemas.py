"""Rows of the files from which tariffs are loaded."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from transactional.platform.amounts import Currency, fits
from transactional.platform.patterns import COUNTRY
from transactional.tariffs.delivery import Method

Country = Annotated[str, Field(pattern=COUNTRY)]
Percent = Annotated[Decimal, Field(ge=0, le=1000, max_digits=9, decimal_places=4)]
Amount = Annotated[Decimal, Field(ge=0, max_digits=18, decimal_places=4)]
Positive = Annotated[int, Field(gt=0)]
Category = Annotated[str, Field(max_length=500)]
_NONE_IF_EMPTY = BeforeValidator(lambda text: None if text == "" else text)


class Row(BaseModel):
    """Refuses columns that it does not know."""

    model_config = ConfigDict(extra="forbid")


class TaxRow(Row):
    country: Country
    region: Annotated[str, Field(max_length=100), AfterValidator(str.upper)] = ""
    category: Category = ""
    rate: Percent
    is_inclusive: bool
    on_shipping: bool = True


class DutyRow(Row):
    country: Country
    category: Category = ""
    rate: Percent
    threshold: Amount = Decimal(0)
    currency: Currency


class ShippingRow(Row):
    code: Method
    currency: Currency
    base_cost: Amount
    cost_per_100_km: Amount
    free_from: Annotated[Amount | None, _NONE_IF_EMPTY] = None
    most_km: Annotated[Positive | None, _NONE_IF_EMPTY] = None
    crosses_borders: bool
    handling_days: Annotated[int, Field(ge=0, le=60)]
    km_per_day: Annotated[Positive | None, _NONE_IF_EMPTY] = None
    customs_days: Annotated[int, Field(ge=0, le=60)]
    cutoff_hour: Annotated[int, Field(ge=0, le=24)]
    enabled: bool = True

    @model_validator(mode="after")
    def _payable(self) -> ShippingRow:
        if not fits(self.base_cost, self.currency):
            raise ValueError(f"{self.currency} has fewer decimals")
        return self


def columns(rows: list[Any]) -> dict[str, list[Any]]:
    """The rows as one list for each column, as ``unnest`` takes them."""
    return {name: [getattr(row, name) for row in rows] for name in type(rows[0]).model_fields}
