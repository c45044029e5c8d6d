"""Run by the SDK's own Python: a whole session of Oracle's clients against the test server, told as JSON."""

import base64
import datetime
import json
import sys
from typing import Any

import oci
from oci.functions import FunctionsInvokeClient, FunctionsManagementClient, models

from tests.oci.sdk_refused import refused

asked = json.load(sys.stdin)
version, endpoint, compartment = asked["version"], asked["endpoint"], asked["compartment"]
config = oci.config.from_file(asked["config"])
options = {"service_endpoint": endpoint, "retry_strategy": oci.retry.NoneRetryStrategy()}
client = FunctionsManagementClient(config, **options)
told: dict[str, Any] = {}


def wait(response: Any) -> Any:
    """As the newer SDK has it: a client of its own looks at work requests."""
    work_id = response.headers.get("opc-work-request-id")
    if version == "20260325" and work_id:
        work = oci.functions.WorkRequestManagementClient(config, **options)
        done = oci.wait_until(
            work, work.get_work_request(work_id), "status", "SUCCEEDED", max_interval_seconds=0
        )
        told.setdefault("works", []).append([done.data.operation_type, done.data.status])
    return response


def source(image: str, digest: str, kind: str = "Create") -> dict[str, object]:
    if version == "20181201":
        return {"image": image, "image_digest": digest}
    details = getattr(models, f"{kind}ContainerImageFunctionSourceDetails")
    return {"source_details": details(image=image, image_digest=digest)}


app_details = models.CreateApplicationDetails(
    compartment_id=compartment, display_name="sdk", subnet_ids=[asked["subnet"]], config={"LEVEL": "1"}
)
app = wait(client.create_application(app_details)).data
told["app"] = [app.display_name, app.shape, app.config]
told["twice"] = refused(client.create_application, app_details)
details = models.CreateFunctionDetails(
    display_name="greet", application_id=app.id, memory_in_mbs=256, config={"MODE": "sdk"},
    **source(asked["image"], asked["digest"]),
)  # fmt: skip
fn = wait(client.create_function(details)).data
held = client.get_function(fn.id)
told["fn"] = [held.data.lifecycle_state, held.data.timeout_in_seconds, held.data.invoke_endpoint == endpoint]
change = models.UpdateFunctionDetails(memory_in_mbs=512)
wait(client.update_function(fn.id, change, if_match=held.headers["etag"]))
told["stale"] = refused(client.update_function, fn.id, change, if_match=held.headers["etag"])
told["memory"] = client.get_function(fn.id).data.memory_in_mbs
told["bad memory"] = refused(client.update_function, fn.id, models.UpdateFunctionDetails(memory_in_mbs=300))
for number in range(13):
    details.display_name = f"f{number:02}"
    client.create_function(details)
pages = oci.pagination.list_call_get_all_results(client.list_functions, app.id, limit=5)
told["listed"] = sorted(each.display_name for each in pages.data)
told["by name"] = [each.id == fn.id for each in client.list_functions(app.id, display_name="greet").data]
told["missing"] = refused(client.get_function, "ocid1.fnfunc.oc1.iad.none")

caller = FunctionsInvokeClient(config, **options)
answer = caller.invoke_function(fn.id, invoke_function_body='{"name": "Ana"}')
told["answer"] = [answer.status, answer.data.content.decode(), "Fn-Call-Id" in answer.headers]
told["warm"] = caller.invoke_function(fn.id, invoke_function_body="").headers["Nbfn-Calls-Served"]
told["detached"] = caller.invoke_function(fn.id, invoke_function_body='"x"', fn_invoke_type="detached").status
told["logged"] = logged = []
since = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
until = since + datetime.timedelta(hours=2)
searched = oci.loggingsearch.LogSearchClient(config, **options).search_logs(
    oci.loggingsearch.models.SearchLogsDetails(
        time_start=since,
        time_end=until,
        search_query=f"search \"{compartment}\" | where data.functionId = '{fn.id}' | sort by datetime desc",
    ),
    limit=100,
)
logged += [each.data["logContent"]["data"]["message"].split(" in ")[0] for each in searched.data.results]
counted = oci.monitoring.MonitoringClient(config, **options).summarize_metrics_data(
    compartment,
    oci.monitoring.models.SummarizeMetricsDataDetails(
        namespace="oci_faas", query=f'FunctionInvocationCount[1m]{{resourceId = "{fn.id}"}}.sum()',
        start_time=since, end_time=until,
    ),
)  # fmt: skip
told["counted"] = [point.value for stream in counted.data for point in stream.aggregated_datapoints]
told["too large"] = refused(caller.invoke_function, fn.id, invoke_function_body=bytes(6 * 1024 * 1024 + 1))
told["planned"] = [refused(client.get_application, app.id) for _ in range(3)]
told["raised"] = refused(caller.invoke_function, fn.id, invoke_function_body='"raise"')

if version == "20260325":
    asked_for = client.update_application(app.id, models.UpdateApplicationDetails(config={"LEVEL": "2"}))
    work = oci.functions.WorkRequestManagementClient(config, **options)
    failing = asked_for.headers["opc-work-request-id"]
    ended = oci.wait_until(
        work, work.get_work_request(failing), evaluate_response=lambda seen: seen.data.status == "FAILED",
        max_interval_seconds=0,
    )  # fmt: skip
    (problem,) = work.list_work_request_errors(failing).data.items
    told["failed"] = [ended.data.operation_type, problem.code, problem.message]
    told["kept"] = client.get_application(app.id).data.config

    archive = models.CreateArchiveFunctionSourceDetails(
        handler=asked["handler"],
        archive_source_details=models.CreateDirectArchiveSourceDetails(archive_file=asked["archive"]),
        runtime_config=models.CreateFunctionUpdateRuntimeConfig(functions_runtime_name=asked["runtime"]),
    )
    coded = wait(
        client.create_function(
            models.CreateFunctionDetails(
                display_name="coded",
                application_id=app.id,
                memory_in_mbs=256,
                config={"MODE": "code"},
                source_details=archive,
            )
        )
    ).data
    told["sha256"] = coded.source_details.source_code_sha256
    called = caller.invoke_function(coded.id, invoke_function_body=base64.b64decode("IkJvIg=="))
    told["coded"] = called.data.content.decode()

told["in use"] = refused(client.delete_application, app.id)
for each in oci.pagination.list_call_get_all_results(client.list_functions, app.id).data:
    gone = client.delete_function(each.id)
wait(gone)
wait(client.delete_application(app.id))
told["left"] = len(client.list_applications(compartment).data)
config["fingerprint"] = ":".join(["aa"] * 16)
told["stranger"] = refused(FunctionsManagementClient(config, **options).list_applications, compartment)
json.dump(told, sys.stdout)
