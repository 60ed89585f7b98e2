"""`sipagent check`: what it says of a configuration, and what a registrar says of us."""

import json
from collections.abc import Callable
from pathlib import Path

import trustme

from tests.cli.conftest import Answers, Command, SipServer, grant, refuse

Start = Callable[[Answers], SipServer]


def test_it_says_what_listens_and_how_many_calls_it_carries(sipagent: Command) -> None:
    Path("sip.conf").write_text("[general]\nrtp_ports = 40000-40099\n")
    result = sipagent("check")
    assert result.exit_code == 0
    assert "0.0.0.0:5060" in result.output
    assert "50 at the same time" in result.output
    assert "sip.conf" in result.output


def test_fewer_calls_are_allowed_than_there_are_ports(sipagent: Command) -> None:
    result = sipagent("check", "--set", "general.max_calls=7")
    assert "7 at the same time" in result.output


def test_a_shared_port_carries_as_many_calls_as_are_allowed(sipagent: Command) -> None:
    Path("sip.conf").write_text("[general]\nrtp_ports = 40000-40001\nrtp = shared\nmax_calls = 250\n")
    assert "250 at the same time: one RTP port for all, max_calls = 250" in sipagent("check").output


def test_it_says_what_is_a_lines_own_and_what_is_kept_of_a_call(sipagent: Command) -> None:
    account = "[account office]\nregistrar = sip:192.0.2.1\nusername = 6001\n"
    own = "transport = tls\nsrtp = require\ncodecs = opus,ulaw\ndtmf = info\n"
    Path("sip.conf").write_text(f"{account}{own}[record]\ncalls = ogg\ncapture = pcap\n")
    said = sipagent("check").stdout
    assert "sip:192.0.2.1 (tls, srtp require, codecs opus ulaw, keys by info)\n" in said
    assert f"records        ogg and pcap in {Path('calls').absolute()}\n" in said


def test_what_is_not_built_yet_is_a_note(sipagent: Command) -> None:
    result = sipagent("check", "--set", "agent.turn_detection=local")
    assert result.exit_code == 0
    assert "note           [agent] turn_detection = local is not built yet" in result.output


def test_a_mistake_is_named_with_its_place_and_the_nearest_key(sipagent: Command) -> None:
    Path("sip.conf").write_text("[general]\nbind = 0.0.0.0:5060\n\nmax_cals = 5\n")
    result = sipagent("check")
    assert result.exit_code == 2
    assert "sip.conf:4" in result.stderr
    assert "max_calls" in result.stderr
    assert "Traceback" not in result.output


def test_a_key_that_is_missing_is_no_mistake_yet(sipagent: Command) -> None:
    Path("sip.conf").write_text("[openai]\napi_key = sk-very-secret\n")
    result = sipagent("check")
    assert result.exit_code == 0
    assert "half-cascade, needs openai, cartesia (no key yet; or run --local)" in result.output


def test_for_programs_each_line_is_an_object(sipagent: Command) -> None:
    said = [json.loads(line) for line in sipagent("check", "--json").stdout.splitlines()]
    assert {line["type"] for line in said} == {"Check"}
    assert [line["what"] for line in said] == ["configuration", "listens", "calls", "agent"]


def test_a_file_that_is_not_there(sipagent: Command) -> None:
    result = sipagent("check", "-c", "nowhere.conf")
    assert result.exit_code == 2
    assert "nowhere.conf" in result.stderr


def test_what_this_version_cannot_do_is_refused(sipagent: Command) -> None:
    result = sipagent("check", "--set", "agent.pipeline=realtime")
    assert result.exit_code == 2
    assert "pipeline = realtime is not built yet" in result.stderr


def test_passwords_and_keys_are_never_shown(sipagent: Command) -> None:
    Path("sip.conf").write_text(
        "[account office]\nregistrar = sip:192.0.2.1\nusername = 6001\npassword = s3cr3t-pass\n"
        "[openai]\napi_key = sk-very-secret\n[cartesia]\napi_key = sk_car_secret\n"
    )
    result = sipagent("check")
    assert result.exit_code == 0
    assert "office: sip:6001@192.0.2.1 at sip:192.0.2.1" in result.output
    for secret in ("s3cr3t-pass", "sk-very-secret", "sk_car_secret"):
        assert secret not in result.output


# ---- online


def with_account(registrar: str) -> None:
    Path("sip.conf").write_text(
        "[general]\nbind = 127.0.0.1:5060\n"
        f"[account office]\nregistrar = sip:{registrar}\nusername = 6001\npassword = s3cr3t-pass\n"
    )


def test_online_it_registers_once_and_goes(sipagent: Command, sip_server: Start) -> None:
    server = sip_server(grant)
    with_account(server.address)
    result = sipagent("check", "--online")
    assert result.exit_code == 0
    assert f"registered     office at sip:{server.address} for 300 s" in result.output
    assert [request.headers.get("expires") for request in server.of("REGISTER")] == ["300", "0"]


def test_online_a_refusal_is_told_in_the_registrar_s_words_with_the_likely_cause(
    sipagent: Command, sip_server: Start
) -> None:
    with_account(sip_server(refuse).address)
    result = sipagent("check", "--online")
    assert result.exit_code == 3
    assert "refused        office: 403 Forbidden: " in result.stderr
    assert "wrong password" in result.stderr
    assert "s3cr3t-pass" not in result.output


def test_online_every_account_is_waited_for(sipagent: Command, sip_server: Start) -> None:
    good, bad = sip_server(grant), sip_server(refuse)
    Path("sip.conf").write_text(
        "[general]\nbind = 127.0.0.1:5060\n"
        f"[account one]\nregistrar = sip:{good.address}\nusername = 6001\n"
        f"[account two]\nregistrar = sip:{bad.address}\nusername = 6002\n"
    )
    result = sipagent("check", "--online", "--trace", "sip")
    assert result.exit_code == 3
    assert "registered     one at" in result.stdout
    assert "refused        two: 403" in result.stderr
    assert f"REGISTER sip:{good.address.partition(':')[0]}" in result.stderr


def test_online_needs_an_account(sipagent: Command) -> None:
    result = sipagent("check", "--online")
    assert result.exit_code == 2
    assert "no [account NAME]" in result.stderr


def test_it_says_where_tls_listens(sipagent: Command) -> None:
    trustme.CA().issue_cert("agent.example.com").private_key_and_cert_chain_pem.write_to_path("ours.pem")
    Path("sip.conf").write_text("[general]\nbind = 0.0.0.0:5070\ntransports = tcp,tls\n[tls]\ncertificate = ours.pem\n")
    assert "listens        0.0.0.0:5070 (tcp), 0.0.0.0:5071 (tls)\n" in sipagent("check").stdout


def test_a_certificate_that_is_none_is_an_error(sipagent: Command) -> None:
    Path("ours.pem").write_text("hello")
    Path("sip.conf").write_text("[tls]\ncertificate = ours.pem\n")
    result = sipagent("check")
    assert result.exit_code == 2
    assert "no PEM files that belong together" in result.stderr
