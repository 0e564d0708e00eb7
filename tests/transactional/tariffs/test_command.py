"""`lakefront tariffs` as it is typed."""

from __future__ import annotations

import psycopg
import pytest
from typer.testing import CliRunner

from transactional.tariffs.command import app

ECB = "Date, CZK, \n02 August 2024, 25.268, \n"
TAXES = "country,region,category,rate,is_inclusive,on_shipping\nNZ,,,15,true,true\n"
DUTIES = "country,category,rate,threshold,currency\nNZ,,5,1000,NZD\n"
SHIPPING = """code,currency,base_cost,cost_per_100_km,free_from,most_km,crosses_borders,handling_days,km_per_day,customs_days,\
cutoff_hour,enabled
standard,USD,0,0,,,true,1,800,2,16,true
"""


@pytest.fixture
def typed(database_url, settings_with, tmp_path):
    """``typed("taxes", text)``: the command's exit code and what it says."""

    def run(kind: str, text: str) -> tuple[int, str]:
        file = tmp_path / f"{kind}.csv"
        file.write_text(text)
        with settings_with(LAKEFRONT_DATABASE_URL=database_url):
            done = CliRunner().invoke(app, [kind, str(file)])
        return done.exit_code, done.output

    return run


@pytest.mark.parametrize(
    ("kind", "text"), [("exchange-rates", ECB), ("taxes", TAXES), ("duties", DUTIES), ("shipping", SHIPPING)]
)
def test_a_file_is_loaded_and_may_be_loaded_again(typed, kind, text):
    for _ in range(2):
        code, said = typed(kind, text)
        assert code == 0 and "Loaded 1 rows" in said.replace("\n", " "), said


def test_what_was_loaded_stands_in_the_tables(typed, database_url):
    typed("exchange-rates", ECB)
    typed("taxes", TAXES)
    typed("taxes", TAXES.replace("15", "12.5"))
    with psycopg.connect(database_url) as connection:
        rates = connection.execute("SELECT per_euro::text FROM exchange_rates WHERE currency = 'CZK'").fetchall()
        taxes = connection.execute("SELECT rate::text, is_inclusive FROM tax_rates WHERE country = 'NZ'").fetchall()
    assert rates == [("25.2680000000",)] and taxes == [("12.5000", True)]


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        ("exchange-rates", "Date,CZK\n2024-08-02,much\n", "line 2: 'much' is no rate of CZK"),
        ("taxes", "country,rate,is_inclusive\nNew Zealand,15,true\n", "line 2: country"),
        ("duties", "country,rate\nNZ,5\n", "line 2: currency: is missing"),
        ("shipping", SHIPPING.replace("standard", "pigeon"), "line 2: code"),
    ],
)
def test_a_wrong_line_is_named(typed, kind, text, said):
    code, output = typed(kind, text)
    assert code == 1 and said in " ".join(output.split())
