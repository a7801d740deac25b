"""`python -m autoscout_profiler.megatron.prepare`: from conversations or texts to a token file for profiles."""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

_ABOUT = """\
Write a token file in Megatron's indexed format: PREFIX.bin with the tokens, PREFIX.idx with the lengths. Each record
becomes one sample: fine-tuning packs samples into sequences, training reads them as one text.

LMSYS-Chat-1M (Zheng et al. 2023), whose conversations are a common mix of lengths: accept its licence on its page at
Hugging Face, download the parquet files of its `train` split, and with the tokenizer of the model that you tune

  python -m autoscout_profiler.megatron.prepare --tokenizer tokenizer.json --output /data/lmsys train-*.parquet

Then mount /data into the profiles (profile.template) and set workload.data.path to /data/lmsys.bin.

records: an object with `conversation` or `messages` (a list of {role, content}) or with `text`; one a line in .jsonl
and .jsonl.gz, one a row in .parquet (needs pyarrow).
tokenizers: a tokenizer.json of the library `tokenizers` (needs it), or `bytes`: UTF-8 bytes, a vocabulary of 256, to
try things out.
"""

BYTES = "bytes"
BYTE_VALUES = 256

Encoder = Callable[[str], Sequence[int]]


def text_of(record: Mapping[str, Any]) -> str:
    """The text of a record.

    Raises:
        ValueError: it has none; the message says what is looked for.
    """
    turns = record.get("conversation") if record.get("conversation") is not None else record.get("messages")
    if turns is not None:
        return "\n".join(f"{turn['role']}: {turn['content']}" for turn in turns)
    text = record.get("text")
    if not isinstance(text, str):
        raise ValueError(f"a record has none of conversation, messages, text, but {', '.join(record) or 'nothing'}")  # noqa: TRY004
    return text


def records(path: Path) -> Iterator[Mapping[str, Any]]:
    """The records of a file.

    Raises:
        ValueError: its name does not end as a kind of file that can be read, or a line is no JSON object.
        OSError: it can't be read.
    """
    if path.suffix == ".parquet":
        from pyarrow import parquet  # noqa: PLC0415 - only these files need it

        for batch in parquet.ParquetFile(path).iter_batches():
            yield from batch.to_pylist()
        return
    if not path.name.endswith((".jsonl", ".jsonl.gz")):
        raise ValueError(f"{path}: .jsonl, .jsonl.gz and .parquet can be read")
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                record = json.loads(line)
                if not isinstance(record, dict):
                    raise ValueError(f"{path}: line {number} is no JSON object")
                yield record


def encoder(tokenizer: str) -> tuple[Encoder, int]:
    """What makes tokens of a text, and how many different ones there are."""
    if tokenizer == BYTES:
        return lambda text: text.encode(), BYTE_VALUES
    from tokenizers import Tokenizer  # noqa: PLC0415 - bytes need no library

    loaded = Tokenizer.from_file(tokenizer)
    return lambda text: loaded.encode(text).ids, int(loaded.get_vocab_size())


def write(texts: Iterator[str], encode: Encoder, vocabulary: int, prefix: Path) -> tuple[int, int]:
    """Write a token file; the samples and the tokens in it. Empty texts are left out."""
    import torch  # noqa: PLC0415 - --help needs neither torch nor Megatron
    from megatron.core.datasets.indexed_dataset import DType, IndexedDatasetBuilder  # noqa: PLC0415

    builder = IndexedDatasetBuilder(f"{prefix}.bin", dtype=DType.optimal_dtype(vocabulary))
    samples = tokens = 0
    for text in texts:
        sample = list(encode(text))
        if sample:
            builder.add_document(torch.tensor(sample), [len(sample)])
            samples, tokens = samples + 1, tokens + len(sample)
    builder.finalize(f"{prefix}.idx")
    return samples, tokens


def prefix_of(path: str) -> Path:
    """What the two files have in common: `/data/lmsys` for itself, `/data/lmsys.bin` and `/data/lmsys.idx`."""
    return Path(path.removesuffix(".bin").removesuffix(".idx"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Prepare a token file; the exit code."""
    options = _parser().parse_args(arguments)
    prefix = prefix_of(str(options.output))
    try:
        encode, vocabulary = encoder(options.tokenizer)
        found = chain.from_iterable(records(path) for path in options.inputs)
        texts = map(text_of, islice(found, options.limit))
        samples, tokens = write(texts, encode, vocabulary, prefix)
    except (OSError, ValueError, ImportError) as error:
        sys.stderr.write(f"prepare: {error}\n")
        return 1
    sys.stdout.write(f"{prefix}.bin: {samples} samples, {tokens} tokens, vocabulary {vocabulary}\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m autoscout_profiler.megatron.prepare",
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("inputs", nargs="+", type=Path, metavar="INPUT", help=".jsonl, .jsonl.gz or .parquet")
    parser.add_argument("--tokenizer", required=True, metavar="FILE", help="tokenizer.json, or the word bytes")
    parser.add_argument("--output", required=True, type=Path, metavar="PREFIX", help="of the two files to write")
    parser.add_argument("--limit", type=int, metavar="N", help="take the first N records only")
    return parser


if __name__ == "__main__":
    sys.exit(main())
