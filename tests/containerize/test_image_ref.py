from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbfn.errors import BadInput
from nbfn.spec import ImageRef

_HOST = st.from_regex(r"\A[a-z0-9]{1,8}(\.[a-z]{2,3})?(:[0-9]{2,5})?/\Z")
_PATH = st.from_regex(r"\A[a-z0-9]+([._-][a-z0-9]+){0,2}(/[a-z0-9]+([._-][a-z0-9]+){0,2}){0,3}\Z")
_TAG = st.one_of(st.just(""), st.from_regex(r"\A[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}\Z"))
_DIGEST = st.one_of(st.just(""), st.from_regex(r"\Asha256:[0-9a-f]{64}\Z"))


@given(st.one_of(st.just(""), _HOST), _PATH, _TAG, _DIGEST)
def test_what_is_written_is_read_back(host: str, path: str, tag: str, digest: str) -> None:
    ref = ImageRef(host + path, digest=digest, tag=tag)
    assert ImageRef.parse(str(ref)) == ref


@pytest.mark.parametrize("text", ["", ":latest", "name@sha256:abc", "app/", "app/@sha256:" + "0" * 64])
def test_what_names_nothing_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="not an image reference"):
        ImageRef.parse(text)
