"""Run by the oci SDK's own Python: pre-built functions and a moved application, as one line of JSON."""

import json
import sys

import oci

config_file, endpoint, app, compartment = sys.argv[1:]
config = oci.config.from_file(config_file)
client = oci.functions.FunctionsManagementClient(config, service_endpoint=endpoint)
listings = client.list_pbf_listings(name_contains="media").data.items
versions = client.list_pbf_listing_versions(
    client.list_pbf_listings(name="Document Generator").data.items[0].id
)
client.change_application_compartment(
    app, oci.functions.models.ChangeApplicationCompartmentDetails(compartment_id=compartment)
)
print(
    json.dumps(
        {
            "listings": [each.name for each in listings],
            "versions": [each.name for each in versions.data.items],
            "least": versions.data.items[0].requirements.min_memory_required_in_mbs,
            "triggers": [each.name for each in client.list_triggers().data.items],
            "one": client.get_pbf_listing(listings[0].id).data.description,
            "version": client.get_pbf_listing_version(versions.data.items[1].id).data.name,
        }
    )
)
