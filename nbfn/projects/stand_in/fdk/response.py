"""``fdk.response``: an answer with headers and a status."""


class Response:
    """What a handler returns if the body alone will not do."""

    def __init__(
        self,
        ctx: object,
        response_data: object = None,
        headers: "dict[str, str] | None" = None,
        status_code: int = 200,
        response_encoding: str = "utf-8",
    ) -> None:
        self.ctx = ctx
        self.response_data = "" if response_data is None else response_data
        self.headers = headers or {}
        self.status_code = status_code
        self.response_encoding = response_encoding


RawResponse = Response
