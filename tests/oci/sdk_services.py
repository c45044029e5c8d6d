"""Run by the SDK's own Python: Oracle's clients of Object Storage and Artifacts do what nbfn does."""

import io
import json
import pathlib
import sys

import oci
from oci.artifacts import ArtifactsClient
from oci.functions import FunctionsManagementClient, models
from oci.object_storage import ObjectStorageClient

from tests.oci.sdk_refused import refused

asked = json.load(sys.stdin)
config = oci.config.from_file(asked["config"])
options = {"service_endpoint": asked["endpoint"], "retry_strategy": oci.retry.NoneRetryStrategy()}
compartment, bucket, name = asked["compartment"], asked["bucket"], asked["object"]
told: dict[str, object] = {}


artifacts = ArtifactsClient(config, **options)
details = oci.artifacts.models.CreateContainerRepositoryDetails(
    compartment_id=compartment, display_name="team/hello", is_public=False
)
told["none"] = len(
    artifacts.list_container_repositories(compartment, display_name="team/hello", limit=100).data.items
)
made = artifacts.create_container_repository(details).data
told["repository"] = [
    made.display_name,
    made.lifecycle_state,
    made.is_public,
    made.compartment_id == compartment,
]
told["again"] = refused(artifacts.create_container_repository, details)
found = artifacts.list_container_repositories(compartment, display_name="team/hello", limit=100).data
told["found"] = [found.repository_count, [each.id == made.id for each in found.items]]
for number in range(12):
    details.display_name = f"r{number:02}"
    artifacts.create_container_repository(details)
pages = oci.pagination.list_call_get_all_results(artifacts.list_container_repositories, compartment, limit=5)
told["repositories"] = len(pages.data)

storage = ObjectStorageClient(config, **options)
space = storage.get_namespace().data
told["namespace"] = space
told["no bucket"] = [refused(storage.head_bucket, space, bucket)[0], refused(
    storage.put_object, space, bucket, "x", b"x")]  # fmt: skip
wanted = oci.object_storage.models.CreateBucketDetails(
    name=bucket, compartment_id=compartment, public_access_type="NoPublicAccess", storage_tier="Standard"
)
told["bucket"] = storage.create_bucket(space, wanted).data.name
told["bucket again"] = refused(storage.create_bucket, space, wanted)
storage.head_bucket(space, bucket)
storage.put_object(space, bucket, "a/b c", b"small")
told["small"] = storage.head_object(space, bucket, "a/b c").headers["x-size"]
storage.delete_object(space, bucket, "a/b c")
told["gone"] = refused(storage.delete_object, space, bucket, "a/b c")

data = pathlib.Path(asked["archive"]).read_bytes()
part_bytes = asked["part_bytes"]
upload = storage.create_multipart_upload(
    space,
    bucket,
    oci.object_storage.models.CreateMultipartUploadDetails(object=name, content_type="application/zip"),
).data
parts = []
for number, start in enumerate(range(0, len(data), part_bytes), 1):
    answer = storage.upload_part(
        space, bucket, name, upload.upload_id, number, data[start : start + part_bytes]
    )
    parts.append(
        oci.object_storage.models.CommitMultipartUploadPartDetails(
            part_num=number, etag=answer.headers["etag"]
        )
    )
storage.commit_multipart_upload(
    space, bucket, name, upload.upload_id,
    oci.object_storage.models.CommitMultipartUploadDetails(parts_to_commit=parts),
)  # fmt: skip
told["large"] = storage.head_object(space, bucket, name).headers["x-size"]
oci.object_storage.UploadManager(storage).upload_stream(
    space, bucket, "by its own manager", io.BytesIO(data), part_size=part_bytes
)
told["managed"] = storage.head_object(space, bucket, "by its own manager").headers["x-size"]

client = FunctionsManagementClient(config, **options)
app = client.create_application(
    models.CreateApplicationDetails(
        compartment_id=compartment, display_name="sdk", subnet_ids=[asked["subnet"]]
    )
).data


def archived(which: str) -> models.CreateFunctionDetails:
    return models.CreateFunctionDetails(
        display_name="large", application_id=app.id, memory_in_mbs=256,
        source_details=models.CreateArchiveFunctionSourceDetails(
            handler=asked["handler"],
            archive_source_details=models.CreateObjectStorageArchiveSourceDetails(
                namespace=space, bucket_name=bucket, object_name=which
            ),
            runtime_config=models.CreateFunctionUpdateRuntimeConfig(functions_runtime_name=asked["runtime"]),
        ),
    )  # fmt: skip


told["no object"] = refused(client.create_function, archived("nowhere"))
held = client.create_function(archived(name)).data.source_details
told["sha256"] = held.source_code_sha256
told["where"] = [
    held.archive_source_details.archive_source_type, held.archive_source_details.object_name == name
]  # fmt: skip
json.dump(told, sys.stdout)
