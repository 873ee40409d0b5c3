//! The container image, unpacked: its one file in a root of its own, as a container runtime starts it, on
//! the real control plane. A release build takes minutes: `make test-image`.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use dislodge_testbed::account::Account;
use dislodge_testbed::product::{ACCOUNT, HOME};
use libtest_mimic::Failed;
use serde_json::Value;
use tokio::process::Command;

use super::actions::check;
use super::stage::{Stage, suspend_after};
use crate::Outcome;

super::scenarios![
    the_program_of_the_image_is_alone_in_its_root_and_holds_a_job,
    two_builds_of_the_image_give_the_same_bytes,
];

/// Where a container finds what the kubelet mounts.
const SERVICE_ACCOUNT: &str = "var/run/secrets/kubernetes.io/serviceaccount";

async fn run(command: &mut Command) -> Outcome {
    let output = command.output().await?;
    check(output.status.success(), || {
        format!("{command:?}: {}{}", output.status, String::from_utf8_lossy(&output.stderr))
    })
}

/// Builds the image of the checkout at `root`, into a folder of that checkout.
async fn build(root: &Path, archive: &Path) -> Outcome {
    let mut command = Command::new(root.join("deploy/image/build.sh"));
    for (name, _) in std::env::vars_os() {
        // What cargo sets for this test would change what is built.
        if name.to_string_lossy().starts_with("CARGO_") && name != "CARGO_HOME" {
            command.env_remove(name);
        }
    }
    run(command.arg("--output").arg(archive)).await
}

fn json(file: &Path) -> Result<Value, Failed> {
    Ok(serde_json::from_slice(&fs::read(file)?)?)
}

/// Follows the digests from the index to the layer, which is unpacked; gives what the image says of it.
async fn unpacked(archive: &Path, layout: &Path, root: &Path) -> Result<Value, Failed> {
    fs::create_dir_all(layout)?;
    fs::create_dir_all(root)?;
    run(Command::new("tar").arg("-xf").arg(archive).arg("-C").arg(layout)).await?;
    let blob = |descriptor: &Value| -> Result<PathBuf, Failed> {
        let digest = descriptor["digest"].as_str().unwrap_or_default();
        let sum = digest.strip_prefix("sha256:").ok_or("a digest is no SHA-256")?;
        let file = layout.join("blobs/sha256").join(sum);
        check(fs::metadata(&file)?.len() == descriptor["size"], || {
            format!("the size of {digest}")
        })?;
        Ok(file)
    };
    let sums = "cd \"$0\"/blobs/sha256 && for sum in *; do echo \"$sum  $sum\"; done | sha256sum --check --quiet";
    run(Command::new("bash").arg("-c").arg(sums).arg(layout)).await?;
    let index = json(&layout.join("index.json"))?;
    let manifest = json(&blob(&index["manifests"][0])?)?;
    run(Command::new("tar").arg("-xzf").arg(blob(&manifest["layers"][0])?).arg("-C").arg(root))
        .await?;
    json(&blob(&manifest["config"])?)
}

async fn the_program_of_the_image_is_alone_in_its_root_and_holds_a_job(stage: Stage) -> Outcome {
    let folder = stage.world.cluster.folder().join("image");
    let (archive, root) = (folder.join("dislodge.tar"), folder.join("root"));
    fs::create_dir_all(&folder)?;
    build(Path::new(env!("CARGO_MANIFEST_DIR")), &archive).await?;
    let image = unpacked(&archive, &folder.join("layout"), &root).await?;
    let config = &image["config"];
    check(config["Entrypoint"] == serde_json::json!(["/dislodge"]), || format!("{config:#}"))?;
    check(config["User"] == "65532:65532", || format!("{config:#}"))?;
    let files: Vec<_> = fs::read_dir(&root)?.collect::<Result<_, _>>()?;
    check(files.len() == 1 && files[0].file_name() == "dislodge", || format!("{files:?}"))?;

    // What the kubelet mounts into every container; the API server by a name, as some clusters have it.
    let account = Account::create(&stage.world.cluster, HOME, ACCOUNT).await?;
    let kubeconfig = json(account.kubeconfig())?;
    let cluster = &kubeconfig["clusters"][0]["cluster"];
    let mounted = root.join(SERVICE_ACCOUNT);
    fs::create_dir_all(&mounted)?;
    fs::create_dir_all(root.join("etc"))?;
    fs::write(root.join("etc/hosts"), "127.0.0.1 localhost\n")?;
    fs::write(
        mounted.join("token"),
        kubeconfig["users"][0]["user"]["token"].as_str().unwrap_or_default(),
    )?;
    fs::write(mounted.join("namespace"), HOME)?;
    fs::copy(
        cluster["certificate-authority"].as_str().unwrap_or_default(),
        mounted.join("ca.crt"),
    )?;
    let server = cluster["server"].as_str().unwrap_or_default();
    let port = server.rsplit_once(':').map(|(_, port)| port).unwrap_or_default();
    let script = format!(
        "#!/bin/sh\nexec env -i PATH=\"$PATH\" KUBERNETES_SERVICE_HOST=localhost KUBERNETES_SERVICE_PORT={port} \
         unshare --user --map-root-user chroot '{}' /dislodge \"$@\"\n",
        root.display()
    );
    let start = folder.join("start.sh");
    fs::write(&start, script)?;
    fs::set_permissions(&start, Permissions::from_mode(0o755))?;

    stage.policy("gpu", suspend_after(2)).await?;
    let _controller = stage.controller_from(&start).await?;
    let stuck = stage.admitted("stuck", &stage.missing()).await?;
    stage.held(&stuck, 60).await?;
    Ok(())
}

/// At two places, as on two machines.
async fn two_builds_of_the_image_give_the_same_bytes(stage: Stage) -> Outcome {
    let folder = stage.world.cluster.folder().join("twice");
    let (first, second) = (folder.join("first.tar"), folder.join("second.tar"));
    fs::create_dir_all(&folder)?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let copy = folder.join("copy");
    run(Command::new("git").args(["clone", "--quiet"]).arg(root).arg(&copy)).await?;
    build(root, &first).await?;
    build(&copy, &second).await?;
    check(fs::read(&first)? == fs::read(&second)?, || "two builds differ".to_owned())
}
