#!/usr/bin/env bash
# Prints the manifest for krew, kubectl's plugin manager (https://krew.sigs.k8s.io, API v1alpha2), of a
# release whose archives are at hand: their check sums stand in it.
set -euo pipefail

if [[ $# -lt 3 ]]; then
  echo "Usage: deploy/krew/manifest.sh TAG REPOSITORY-URL kubectl-dislodge-OS-ARCH.tar.gz..." >&2
  exit 2
fi
tag=$1 repository=$2
shift 2

cat <<YAML
apiVersion: krew.googlecontainertools.github.com/v1alpha2
kind: Plugin
metadata:
  name: dislodge
spec:
  version: $tag
  homepage: $repository
  shortDescription: See and steer jobs whose images can't be pulled
  description: |
    Says why a job does not start when its image cannot be pulled, which ImagePullPolicy decides about it
    and what happens next; lists, resumes and spares the jobs that Dislodge holds; checks, tests and plays
    policies without a cluster.

    All but the commands that need no cluster work with your own rights: \`view\` in a namespace is enough
    to look.
  platforms:
YAML
for archive in "$@"; do
  name=${archive##*/}
  if [[ ! $name =~ ^kubectl-dislodge-([a-z]+)-([a-z0-9]+)\.tar\.gz$ ]]; then
    echo "$0: $archive is not called kubectl-dislodge-OS-ARCH.tar.gz" >&2
    exit 2
  fi
  sum=$(sha256sum "$archive" | cut -d' ' -f1)
  cat <<YAML
  - selector:
      matchLabels:
        os: ${BASH_REMATCH[1]}
        arch: ${BASH_REMATCH[2]}
    uri: $repository/releases/download/$tag/$name
    sha256: $sum
    bin: kubectl-dislodge
YAML
done
