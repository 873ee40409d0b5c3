#!/usr/bin/env bash
# Builds the container image without a container engine: an OCI image (OCI Image Format 1.1) whose one
# layer holds one static binary, packed as an archive that skopeo, crane, podman, docker and Kubernetes'
# runtimes read. Needs Rust, GNU tar, gzip and coreutils, on Linux.
#
# The same commit gives the same bytes, wherever it is built: times are those of the commit, paths of the
# machine are cut out, and nothing else goes in.
set -euo pipefail
cd "$(dirname "$0")/../.."

usage() {
  cat <<TEXT
Usage: deploy/image/build.sh [--output FILE] [--tag NAME]

  --output FILE   the archive (default target/image/dislodge-VERSION-ARCH.oci.tar)
  --tag NAME      what the image is called in it (default dislodge:VERSION)

Then, for instance:
  skopeo copy oci-archive:FILE docker://registry.example/dislodge:VERSION
TEXT
}

fail() { echo "$0: $1" >&2; exit 2; }

output='' tag=''
while [[ $# -gt 0 ]]; do
  case $1 in
    --output) output=${2:?--output needs a FILE}; shift 2 ;;
    --tag) tag=${2:?--tag needs a NAME}; shift 2 ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; fail "unknown argument $1" ;;
  esac
done

host=$(rustc --version --verbose | sed -n 's/^host: //p')
case $host in
  x86_64-unknown-linux-*) architecture=amd64 ;;
  aarch64-unknown-linux-*) architecture=arm64 ;;
  *) fail "an image is built on Linux on x86_64 or aarch64; this is $host" ;;
esac
tar --version 2>/dev/null | grep -q 'GNU tar' || fail "GNU tar is needed"

version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH
created=$(date --utc --date="@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)
output=${output:-target/image/dislodge-$version-$architecture.oci.tar}
tag=${tag:-dislodge:$version}

# A target that is named keeps the flags from build scripts and macros, which cannot be static.
target_dir=${CARGO_TARGET_DIR:-target}
cargo_home=${CARGO_HOME:-$HOME/.cargo}
RUSTFLAGS="-C target-feature=+crt-static --remap-path-prefix=$PWD=/dislodge --remap-path-prefix=$cargo_home=/cargo" \
  CARGO_INCREMENTAL=0 cargo build --locked --release --package dislodge --bin dislodge --target "$host"
binary=$target_dir/$host/release/dislodge
# The loader of a dynamic binary would be missing in the image: better seen here than in a cluster.
headers=$(readelf --program-headers "$binary") || fail "readelf (binutils) is needed"
[[ $headers != *INTERP* ]] || fail "$binary is not static"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
blobs=$work/image/blobs/sha256
mkdir -p "$work/files" "$blobs" "$(dirname "$output")"

pack() { # FOLDER ARCHIVE PATHS...: the same files give the same bytes
  tar --create --file "$2" --directory "$1" --format=ustar --sort=name --owner=0 --group=0 --numeric-owner \
    --mtime="@$SOURCE_DATE_EPOCH" "${@:3}"
}
digest() { sha256sum "$1" | cut -d' ' -f1; }
size() { stat --format=%s "$1"; }
blob() { # FILE: puts it under its digest, and prints that
  local sum
  sum=$(digest "$1")
  mv "$1" "$blobs/$sum"
  echo "$sum"
}

install --mode=0555 "$binary" "$work/files/dislodge"
pack "$work/files" "$work/layer.tar" dislodge
diff_id=$(digest "$work/layer.tar")
gzip --no-name --best "$work/layer.tar"
layer_size=$(size "$work/layer.tar.gz")
layer=$(blob "$work/layer.tar.gz")

labels=$(cat <<JSON
{
      "org.opencontainers.image.title": "dislodge",
      "org.opencontainers.image.description": "Gives back the queue quota that Jobs with unpullable images hold",
      "org.opencontainers.image.licenses": "Apache-2.0",
      "org.opencontainers.image.version": "$version",
      "org.opencontainers.image.revision": "$revision",
      "org.opencontainers.image.created": "$created"
    }
JSON
)
cat >"$work/config.json" <<JSON
{
  "created": "$created",
  "architecture": "$architecture",
  "os": "linux",
  "config": {
    "User": "65532:65532",
    "Entrypoint": ["/dislodge"],
    "Cmd": ["controller"],
    "WorkingDir": "/",
    "Labels": $labels
  },
  "rootfs": {"type": "layers", "diff_ids": ["sha256:$diff_id"]},
  "history": [{"created": "$created", "created_by": "deploy/image/build.sh"}]
}
JSON
config_size=$(size "$work/config.json")
config=$(blob "$work/config.json")
cat >"$work/manifest.json" <<JSON
{
  "schemaVersion": 2,
  "mediaType": "application/vnd.oci.image.manifest.v1+json",
  "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": "sha256:$config", "size": $config_size},
  "layers": [
    {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": "sha256:$layer", "size": $layer_size}
  ],
  "annotations": $labels
}
JSON
manifest_size=$(size "$work/manifest.json")
manifest=$(blob "$work/manifest.json")
cat >"$work/image/index.json" <<JSON
{
  "schemaVersion": 2,
  "mediaType": "application/vnd.oci.image.index.v1+json",
  "manifests": [
    {
      "mediaType": "application/vnd.oci.image.manifest.v1+json",
      "digest": "sha256:$manifest",
      "size": $manifest_size,
      "platform": {"architecture": "$architecture", "os": "linux"},
      "annotations": {"org.opencontainers.image.ref.name": "$tag"}
    }
  ]
}
JSON
echo '{"imageLayoutVersion": "1.0.0"}' >"$work/image/oci-layout"
chmod -R u=rwX,go=rX "$work/image"
pack "$work/image" "$output" blobs index.json oci-layout
printf '%s: %s, one layer of %s bytes\n%s@sha256:%s\n' "$output" "$tag" "$layer_size" "${tag%:*}" "$manifest"
