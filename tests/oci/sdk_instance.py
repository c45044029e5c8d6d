"""Run by the SDK's own Python: an instance principal asks for the applications of a compartment."""

import os
import sys

import oci

base, endpoint, compartment = sys.argv[1:]
os.environ["OCI_METADATA_BASE_URL"] = f"{base}/opc/v2"
signer = oci.auth.signers.InstancePrincipalsSecurityTokenSigner(federation_endpoint=f"{base}/v1/x509")
client = oci.functions.FunctionsManagementClient({}, signer=signer, service_endpoint=endpoint)
print(len(client.list_applications(compartment).data), signer.region)
