"""Every error code that Oracle's manuals have for Functions, and what to do about each. No I/O."""

from __future__ import annotations

_FDK = (
    "the code crashed while it was imported, a module is missing, memory was too small, or the image is for "
    "another architecture: call it on the local executor with the same memory, and read its log"
)
CODES = {
    "CannotParseRequest": 400,
    "InvalidParameter": 400,
    "MissingParameter": 400,
    "LimitExceeded": 400,
    "QuotaExceeded": 400,
    "RelatedResourceNotAuthorizedOrNotFound": 400,
    "NotAuthenticated": 401,
    "NotAuthorized": 403,
    "NotAllowed": 403,
    "NotAuthorizedOrNotFound": 404,
    "NotFound": 404,
    "MethodNotAllowed": 405,
    "Conflict": 409,
    "IncorrectState": 409,
    "LockConflict": 409,
    "NotAuthorizedOrResourceAlreadyExists": 409,
    "InvalidatedRetryToken": 409,
    "ResourceLocked": 409,
    "NoEtagMatch": 412,
    "PayloadTooLarge": 413,
    "UnprocessableEntity": 422,
    "TooManyRequests": 429,
    "StatusConnectionClosedWithoutResponse": 444,
    "InternalServerError": 500,
    "MethodNotImplemented": 501,
    "ServiceUnavailable": 503,
    "FunctionInvokeRequestContentTooLarge": 413,
    "FunctionInvokeExecutionFailed": 502,
    "FunctionInvokeExecutionError": 502,
    "FunctionInvokeInvalidResponse": 502,
    "FunctionInvokeResponseBodyTooLarge": 502,
    "FunctionInvokeResponseHeaderTooLarge": 502,
    "FunctionInvokeContainerInitFail": 502,
    "FunctionInvokeImageNotAvailable": 502,
    "FunctionInvokeSyslogUnavailable": 502,
    "FunctionInvokeSubnetOutOfIPs": 502,
    "FunctionInvokeSubnetNotAvailable": 502,
    "FunctionInvokeSubnetConfigError": 502,
    "FunctionInvokeSecurityAttributeNotAvailable": 502,
    "FunctionInvokeTooManyMatchingDGs": 502,
    "FunctionInvokeServiceUnavailable": 503,
    "FunctionInvokeTimeout": 504,
    "FunctionInvokeContainerInitTimeout": 504,
    "FunctionInvokeImagePullTimeout": 504,
}
"""Every error code that Oracle's manuals have for Functions, with its HTTP status."""

BY_CODE = {
    "FunctionInvokeExecutionFailed": "the function raised: its log has the traceback",
    "FunctionInvokeExecutionError": "it died during the call: too little memory is the usual cause",
    "FunctionInvokeInvalidResponse": "what it answered is not HTTP as functions speak it: a newer FDK?",
    "FunctionInvokeResponseBodyTooLarge": "answers hold 6 MB: put the result into a bucket, return its name",
    "FunctionInvokeResponseHeaderTooLarge": "the answer's headers are too large: print less, set fewer",
    "FunctionInvokeContainerInitFail": _FDK,
    "FunctionInvokeContainerInitTimeout": f"memory was too small for what it imports, or its import takes "
    f"too long: give it more memory=, import less at the top. Else {_FDK}",
    "FunctionInvokeSyslogUnavailable": "the application's syslog_url cannot be reached from its subnets",
    "FunctionInvokeSubnetOutOfIPs": "each subnet needs about 3 addresses and one per 14 GB that run at once: "
    "use a larger subnet",
    "FunctionInvokeSubnetConfigError": "the subnet's DNS resolver is wrong: use the VCN's own",
    "FunctionInvokeSecurityAttributeNotAvailable": "the application names security attributes that are "
    "not there, or that Functions may not read",
    "FunctionInvokeTooManyMatchingDGs": "narrow the matching rules of dynamic groups, so that fewer match; "
    "it may take 15 minutes until functions see that",
    "FunctionInvokeServiceUnavailable": "OCI is busy: call again in a while, or provision concurrency",
    "FunctionInvokeRequestContentTooLarge": "arguments hold 6 MB: put them into a bucket, send their name",
    "TooManyRequests": "call less at once, or ask for a higher total-concurrency-mb limit of the tenancy",
    "LimitExceeded": "remove what is not used, or ask for a higher service limit (Governance > Limits)",
    "QuotaExceeded": "a quota of this compartment is used up: an administrator can raise it",
    "NoEtagMatch": "somebody else changed it meanwhile: read it again, and repeat the change",
    "IncorrectState": "it is being changed just now: wait, and repeat",
    "NotAuthorizedOrResourceAlreadyExists": "that name is taken, or you may not see what has it",
    "CannotParseRequest": "OCI cannot read the request as JSON: does something between here and there change "
    "it (a proxy), or is that address of another API version (oracle.api-version)?",
    "InvalidParameter": "the message names the value that OCI does not take: correct that",
    "MissingParameter": "the message names what was not given: give it, or ask by the other API version "
    "(oracle.api-version), which names some things otherwise",
    "UnprocessableEntity": "OCI reads the request and cannot do it as it stands: values in it contradict "
    "each other, or what is there already",
    "LockConflict": "somebody else is changing it at the same moment: wait, and repeat",
    "NotAllowed": "a policy forbids it, or this kind of tenancy has it not: ask an administrator",
    "NotAuthorized": "you are known, and may not do this: ask an administrator for the policy statement",
    "Conflict": "something else has that name, or still needs what should go: what is in an application goes "
    "with it by `nbfn delete app NAME --recursive`",
    "InvalidatedRetryToken": "the thing was deleted since the first try: begin anew",
    "ResourceLocked": "somebody has locked it: have the lock removed first",
    "MethodNotImplemented": "OCI knows this request and cannot do it (yet) in this region",
    "StatusConnectionClosedWithoutResponse": "whoever called did not wait for the answer: wait longer "
    "(a call may take 300 s and a cold start on top), or call it detached",
    "InternalServerError": "OCI failed inside: try again, and give the request id to support if it stays so",
    "ServiceUnavailable": "OCI's control plane is busy or being repaired: try again in a while",
    "MethodNotAllowed": "this endpoint does not know that request: is it the address of OCI Functions?",
}

BY_MESSAGE = {
    "combined uncompressed size": "an application's images are too large together: build smaller ones, or "
    "use two applications",
    "unsupported image manifest": "OCI could not read the image's manifest: it takes an image of one "
    "platform (an index of two for GENERIC_X86_ARM). Push it by `nbfn deploy` or `nbfn push`; with Docker: "
    "docker buildx build --provenance=false --platform linux/amd64",
    "missing subnets annotation": "an application is in 1 to 3 subnets: `nbfn create app APP --annotation "
    "'oracle.com/oci/subnetIds=[\"ocid1.subnet.…\"]'`, or `nbfn update context oracle.subnet-ids …`",
}
"""The same for errors that have no code of their own, by a part of what OCI says (in lower case)."""

BY_WORDS = {
    "request content too large": "FunctionInvokeRequestContentTooLarge",
    "user-rate limit exceeded": "TooManyRequests",
    "client request aborted": "StatusConnectionClosedWithoutResponse",
    "function failed": "FunctionInvokeExecutionFailed",
    "error receiving function response": "FunctionInvokeExecutionError",
    "invalid function response": "FunctionInvokeInvalidResponse",
    "function response body too large": "FunctionInvokeResponseBodyTooLarge",
    "function response header too large": "FunctionInvokeResponseHeaderTooLarge",
    "container failed to initialize": "FunctionInvokeContainerInitFail",
    "failed to pull function image": "FunctionInvokeImageNotAvailable",
    "syslog endpoint unavailable": "FunctionInvokeSyslogUnavailable",
    "is out of ips": "FunctionInvokeSubnetOutOfIPs",
    "does not exist or oracle functions is not authorized to use it": "FunctionInvokeSubnetNotAvailable",
    "subnet dns resolver error": "FunctionInvokeSubnetConfigError",
    "no access to security attributes": "FunctionInvokeSecurityAttributeNotAvailable",
    "too many dynamic groups": "FunctionInvokeTooManyMatchingDGs",
    "server too busy": "FunctionInvokeServiceUnavailable",
    "container initialization timed out": "FunctionInvokeContainerInitTimeout",
    "image pull timed out": "FunctionInvokeImagePullTimeout",
    # The others that are about time say more: it comes last.
    "timed out": "FunctionInvokeTimeout",
}
"""The code that an error has of which people see the words alone, by a part of them (in lower case)."""
