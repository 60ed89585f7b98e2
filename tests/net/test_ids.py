"""Identifiers that nobody can guess."""

from sipagent.net.ids import RandomIds


def test_tokens_differ_and_have_letters_and_digits_only() -> None:
    ids = RandomIds()
    tokens = {ids.token("branch") for _ in range(1000)}
    assert len(tokens) == 1000
    assert all(token.isascii() and token.isalnum() and len(token) * 4 >= 64 for token in tokens)


def test_numbers_fill_their_bits_and_no_more() -> None:
    ids = RandomIds()
    numbers = [ids.number("sequence", 16) for _ in range(1000)]
    assert max(numbers) < 1 << 16
    assert max(numbers) >= 1 << 15
    assert min(numbers) < 1 << 15
