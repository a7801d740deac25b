from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from autoscout_profiler.megatron.prepare import encoder, prefix_of, records, text_of

CHAT = {
    "conversation_id": "1",
    "conversation": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}],
}


def test_a_conversation_is_one_text():
    assert text_of(CHAT) == "user: Hi\nassistant: Ho"
    assert text_of({"messages": CHAT["conversation"]}) == "user: Hi\nassistant: Ho"
    assert text_of({"text": "plain"}) == "plain"


def test_a_record_without_text_is_refused():
    with pytest.raises(ValueError, match="none of conversation, messages, text, but prompt"):
        text_of({"prompt": "Hi"})


@pytest.mark.parametrize("name", ["chats.jsonl", "chats.jsonl.gz"])
def test_records_are_read_line_by_line(tmp_path: Path, name: str):
    text = json.dumps(CHAT) + "\n\n" + json.dumps({"text": "x"}) + "\n"
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    assert list(records(path)) == [CHAT, {"text": "x"}]


def test_what_can_not_be_read_is_said(tmp_path: Path):
    with pytest.raises(ValueError, match=r"chats.csv: .jsonl, .jsonl.gz and .parquet can be read"):
        list(records(tmp_path / "chats.csv"))
    (tmp_path / "chats.jsonl").write_text("[1]\n")
    with pytest.raises(ValueError, match="line 1 is no JSON object"):
        list(records(tmp_path / "chats.jsonl"))


def test_bytes_are_a_tokenizer_that_needs_no_library():
    encode, vocabulary = encoder("bytes")
    assert (list(encode("aé")), vocabulary) == ([97, 195, 169], 256)


@pytest.mark.parametrize("path", ["/data/lmsys", "/data/lmsys.bin", "/data/lmsys.idx"])
def test_a_token_file_is_named_by_any_of_its_files(path: str):
    assert prefix_of(path) == Path("/data/lmsys")
