#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A bill of materials (SPDX 2.3, JSON) of a release: reads "package<TAB>version" lines of Debian packages.

    dpkg-query -W -f='${Package}\\t${Version}\\n' libfmt-dev | tools/bill_of_materials.py --version 0.1.0 --commit HASH
"""

import argparse
import datetime
import json
import os
import sys

LICENCES = {"libboost-dev": "BSL-1.0", "libbsd-dev": "BSD-3-Clause", "libcli11-dev": "BSD-3-Clause", "libcurl4": "curl", "libedit-dev": "BSD-3-Clause", "libfmt-dev": "MIT", "libhiredis-dev": "BSD-3-Clause", "libssl-dev": "Apache-2.0",
            "libmd-dev": "BSD-3-Clause", "libncurses-dev": "X11-distribute-modifications-variant", "libpcre2-dev": "BSD-3-Clause", "libsqlite3-dev": "blessing",
            "libstdc++-12-dev": "GPL-3.0-or-later WITH GCC-exception-3.1", "libutf8proc-dev": "MIT", "libxxhash-dev": "BSD-2-Clause", "nlohmann-json3-dev": "MIT"}
LOADED = {"libcurl4"}  # when something is fetched; the others are compiled in


def identifier(name):
    return "SPDXRef-" + "".join(c if c.isalnum() or c in ".-" else "-" for c in name)


def package(name, version, licence, purl=None):
    made = {"SPDXID": identifier(name), "name": name, "versionInfo": version, "downloadLocation": "NOASSERTION", "filesAnalyzed": False,
            "licenseConcluded": licence, "licenseDeclared": licence, "copyrightText": "NOASSERTION"}
    if purl:
        made["externalRefs"] = [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}]
    return made


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--version", required=True)
    parser.add_argument("--commit", required=True)
    options = parser.parse_args()
    # SOURCE_DATE_EPOCH: the same bits for the same commit.
    when = datetime.datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", datetime.datetime.now().timestamp())), datetime.timezone.utc)
    packages = [package("lazyllm", options.version, "Apache-2.0")]
    relations = [{"spdxElementId": "SPDXRef-DOCUMENT", "relatedSpdxElement": "SPDXRef-lazyllm", "relationshipType": "DESCRIBES"}]
    for line in sys.stdin:
        name, version = line.rstrip("\n").split("\t")
        name = name.split(":")[0]
        if not version:
            continue
        packages.append(package(name, version, LICENCES.get(name, "NOASSERTION"), f"pkg:deb/debian/{name}@{version}"))
        relations.append({"spdxElementId": "SPDXRef-lazyllm", "relatedSpdxElement": identifier(name),
                          "relationshipType": "DYNAMIC_LINK" if name in LOADED else "STATIC_LINK"})
    if len(packages) < 2:
        sys.exit("bill_of_materials.py: no package was named on the standard input")
    json.dump({"spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": f"lazyllm-{options.version}",
               "documentNamespace": f"urn:lazyllm:{options.version}:{options.commit}",
               "creationInfo": {"created": when.strftime("%Y-%m-%dT%H:%M:%SZ"), "creators": ["Tool: tools/bill_of_materials.py"]},
               "packages": packages, "relationships": relations}, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
