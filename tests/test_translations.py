"""The French and the Spanish catalogue: complete, sound, and compiled from the strings that are in the sources."""

from __future__ import annotations

import gettext
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import polib
import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import translation

from elevate_integration.models import Registration
from elevate_integration.words import STATUSES
from tests.host import ROOT
from tests.rows import make_mapping, make_row

PACKAGE = ROOT / "elevate_integration"
LANGUAGES = ("fr", "es")

# Names, and texts that are nothing but placeholders.
THE_SAME = {"Elevate", "Remote Product ID", "Remote Registration URL", "%(act)s.", "%(seconds)s s."}
# Words that one of the languages writes as English does.
THE_SAME_IN = {"fr": {"inscription", "inscriptions", "participant", "%(number)s minute"}, "es": set()}
PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|%[a-z%]|\{\w*\}")

every_language = pytest.mark.parametrize("language", LANGUAGES)


def folder(language: str) -> Path:
    return PACKAGE / "locale" / language / "LC_MESSAGES"


def catalogue(language: str) -> polib.POFile:
    return polib.pofile(str(folder(language) / "django.po"))


def key(entry: polib.POEntry) -> tuple[str | None, str, str]:
    return entry.msgctxt, entry.msgid, entry.msgid_plural


def texts(entry: polib.POEntry) -> list[str]:
    return list(entry.msgstr_plural.values()) if entry.msgid_plural else [entry.msgstr]


@every_language
def test_every_string_is_translated(language: str) -> None:
    entries = catalogue(language)
    assert len(entries) > 300
    assert [entry.msgid for entry in entries if entry.obsolete or entry.fuzzy] == []
    assert [entry.msgid for entry in entries if not all(text.strip() for text in texts(entry))] == []
    same = {entry.msgid for entry in entries if {entry.msgid, entry.msgid_plural} & set(texts(entry))}
    assert same - THE_SAME - THE_SAME_IN[language] == set()


@every_language
def test_every_plural_form_is_there(language: str) -> None:
    entries = catalogue(language)
    found = re.search(r"nplurals=(\d)", entries.metadata["Plural-Forms"])
    assert found is not None
    forms = list(range(int(found[1])))
    plural = [entry for entry in entries if entry.msgid_plural]
    assert plural
    assert [entry.msgid for entry in plural if sorted(entry.msgstr_plural) != forms] == []


def pairs(entry: polib.POEntry) -> list[tuple[str, str]]:
    """Give each translation with the English text that it stands for."""
    if not entry.msgid_plural:
        return [(entry.msgid, entry.msgstr)]
    return [
        (entry.msgid_plural if number else entry.msgid, text) for number, text in entry.msgstr_plural.items()
    ]


@every_language
def test_placeholders_are_the_same(language: str) -> None:
    for entry in catalogue(language):
        for english, text in pairs(entry):
            assert sorted(PLACEHOLDER.findall(text)) == sorted(PLACEHOLDER.findall(english)), english
            if "python-format" in entry.flags:
                assert text % dict.fromkeys(re.findall(r"%\((\w+)\)", text), 1)


@every_language
def test_sentences_end_as_in_english_and_no_blank_is_added(language: str) -> None:
    for entry in catalogue(language):
        for english, text in pairs(entry):
            assert text.endswith(".") == english.endswith("."), english
            assert (text.strip() == text) == (english.strip() == english), english


@every_language
def test_the_compiled_catalogue_says_what_the_source_says(language: str) -> None:
    with (folder(language) / "django.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)._catalog
    expected: dict[object, str] = {}
    for entry in catalogue(language):
        name = f"{entry.msgctxt}\x04{entry.msgid}" if entry.msgctxt else entry.msgid
        if entry.msgid_plural:
            expected.update({(name, number): text for number, text in entry.msgstr_plural.items()})
        else:
            expected[name] = entry.msgstr
    assert {name: text for name, text in compiled.items() if name != ""} == expected


@pytest.mark.skipif(shutil.which("xgettext") is None, reason="GNU gettext (xgettext) is not installed")
def test_the_catalogues_hold_the_strings_of_the_sources(tmp_path: Path) -> None:
    copy = tmp_path / "elevate_integration"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__", "locale"))
    (copy / "locale").mkdir()
    made = subprocess.run(
        [sys.executable, "-m", "django", "makemessages", "-l", "fr", "-l", "es", "--no-location"],
        cwd=copy,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "PYTHONPATH": "", "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    for language in LANGUAGES:
        fresh = polib.pofile(str(copy / "locale" / language / "LC_MESSAGES" / "django.po"))
        wanted, have = {key(entry) for entry in fresh}, {key(entry) for entry in catalogue(language)}
        assert sorted(map(str, wanted - have)) == [], "run makemessages and translate these"
        assert sorted(map(str, have - wanted)) == [], "run makemessages: these are no longer in the sources"


@every_language
def test_no_two_statuses_share_a_word(language: str) -> None:
    with translation.override(language):
        words = [str(word) for word in STATUSES.values()]
    assert len(set(words)) == len(words)


@pytest.fixture
def boss(db: None) -> Client:
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("boss@example.org", "secret"))
    return client


@pytest.fixture
def held(db: None) -> Registration:
    return make_row(make_mapping(), obstacle="incomplete", problems="no_email")


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("fr", ("Inscriptions", "en suspens", "Participant", "Suite prévue", "Réessayer", "Afficher")),
        ("es", ("Inscripciones", "retenida", "Participante", "Qué pasa después", "Reintentar", "Mostrar")),
    ],
)
def test_the_list_speaks_the_readers_language(
    boss: Client, held: Registration, settings: Any, language: str, words: tuple[str, ...]
) -> None:
    settings.LANGUAGE_CODE = language
    page = boss.get("/admin/elevate_integration/registration/").content.decode()
    assert f'lang="{language}"' in page
    missing = [word for word in words if word.lower() not in page.lower()]
    assert missing == []


def test_the_page_of_one_registration_says_in_french_what_to_do(
    boss: Client, held: Registration, settings: Any
) -> None:
    settings.LANGUAGE_CODE = "fr"
    page = boss.get(f"/admin/elevate_integration/registration/{held.pk}/change/").content.decode()
    assert "Complétez les informations dans la boutique." in page
    assert "pas d\u2019adresse e-mail" in page
    assert "The learner" not in page
