"""The grammar of sip.conf: what is written, and what is meant by it."""

import string

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sipagent.config.grammar import Problem, expand, parse, quote


def nothing_set(name: str) -> str | None:
    return None


def value_of(written: str) -> str:
    """The value of `key` in a file with these lines after `[agent]`."""
    sections, problems = parse(f"[agent]\n{written}\n", "sip.conf")
    assert problems == []
    return sections[0].entries[0].value


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("key = plain", "plain"),
        ("key=plain", "plain"),
        ("key   =   two words  ", "two words"),
        ("key = a;b", "a;b"),
        ("key = a#b", "a#b"),
        ("key = a # b", "a # b"),
        ("key = a ; comment", "a"),
        ("key = a\t;comment", "a"),
        ("key = ; comment", ""),
        ("key =", ""),
        ("key = a = b", "a = b"),
        ('key = "quoted"', "quoted"),
        ('key = "a ; b" ; comment', "a ; b"),
        ('key = "  blanks  "', "  blanks  "),
        ('key = ""', ""),
        ('key = "one ""word"" quoted"', 'one "word" quoted'),
        ('key = "Hello", she said', '"Hello", she said'),
        ('key = pass"word', 'pass"word'),
        ('key = "open', '"open'),
        ("key = back\\slash\\n", "back\\slash\\n"),
        ("key = l'été ☎", "l'été ☎"),
    ],
)
def test_a_value_is_literal_but_for_its_comment_and_its_quotes(written: str, meant: str) -> None:
    assert value_of(written) == meant


def test_indented_lines_continue_the_value_and_keep_their_paragraphs() -> None:
    text = "key = Be brief. ; a comment\n  Be kind.\n\n\tNever shout.\n; a comment\n\nother = x"
    assert value_of(text) == "Be brief.\nBe kind.\n\nNever shout."


def test_comments_and_blank_lines_are_nothing() -> None:
    sections, problems = parse("; one\n# two\n\n  ; three\n[general] ; four\n", "sip.conf")
    assert [section.title for section in sections] == ["[general]"]
    assert (sections[0].entries, problems) == ([], [])


def test_a_section_has_a_kind_and_a_name() -> None:
    sections, _ = parse("[general]\n[ account  head  office ]\n", "sip.conf")
    assert [(section.kind, section.name, section.place) for section in sections] == [
        ("general", "", "sip.conf:1"),
        ("account", "head office", "sip.conf:2"),
    ]


def test_keys_may_be_indented_under_their_section_if_the_first_stands_alone() -> None:
    assert value_of("  key = value") == "value"


def test_a_file_from_windows_reads_the_same() -> None:
    sections, problems = parse("\ufeff[general]\r\nbind = 0.0.0.0\r\n", "sip.conf")
    assert problems == []
    assert sections[0].entries[0].value == "0.0.0.0"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("bind = x", Problem(place="sip.conf:1", text="this line stands before the first [section]")),
        ("[general]\nbind", Problem(place="sip.conf:2", text='expected "key = value" or "[section]", not "bind"')),
        ("[general]\n= x", Problem(place="sip.conf:2", text='expected "key = value" or "[section]", not "="')),
        (
            "[general\n",
            Problem(
                place="sip.conf:1",
                text='a section is "[kind]" or "[kind name]" on a line of its own, not "[general"',
            ),
        ),
    ],
)
def test_what_follows_no_rule_is_a_problem_with_its_line(text: str, problem: Problem) -> None:
    assert parse(text, "sip.conf")[1] == [problem]


@given(st.text())
def test_no_text_makes_the_parser_raise(text: str) -> None:
    parse(text, "sip.conf")


PASSWORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Zl", "Zp")), min_size=1)


@given(PASSWORDS)
def test_any_password_survives_being_written_and_read(password: str) -> None:
    assert expand(value_of(f"key = {quote(password)}"), nothing_set) == password


GENERATED = st.text(st.sampled_from(string.ascii_letters + string.digits + string.punctuation), min_size=1)


@given(GENERATED)
def test_a_password_that_a_pbx_generates_needs_no_quotes(password: str) -> None:
    assume("$$" not in password and "${" not in password)  # a reference, or a dollar
    assume(password[0] not in '">')  # quotes, or the arrow of Asterisk
    assert expand(value_of(f"key ={password}"), nothing_set) == password


@pytest.mark.parametrize("password", ["a;b", "#1", 'a"b"', "$ecret", "$", "x y  z", "\\", "a'b", "=", "[x]", "é", "${"])
def test_passwords_of_the_usual_odd_kinds_are_quoted_only_where_they_must_be(password: str) -> None:
    assert quote(password) == password.replace("$", "$$")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("${USER_NAME}", "alice"),
        ("sip:${USER_NAME}@${HOST:-pbx.example.com}", "sip:alice@pbx.example.com"),
        ("${HOST:-}", ""),
        ("${USER_NAME:-bob}", "alice"),
        ("$$", "$"),
        ("$${USER_NAME}", "${USER_NAME}"),
        ("$USER_NAME costs 5$", "$USER_NAME costs 5$"),
    ],
)
def test_references_are_replaced_and_other_dollars_are_themselves(written: str, meant: str) -> None:
    assert expand(written, {"USER_NAME": "alice"}.get) == meant


def test_an_unset_reference_is_named() -> None:
    with pytest.raises(KeyError, match="PBX_PASSWORD"):
        expand("${PBX_PASSWORD}", nothing_set)


@pytest.mark.parametrize("written", ["${", "a${b", "${}", "${1}", "${a b}", "${a:b}"])
def test_a_dollar_and_brace_that_are_no_reference_are_told_with_the_cure(written: str) -> None:
    with pytest.raises(ValueError, match=r'write "\$\$\{"'):
        expand(written, nothing_set)
