//! The real programs of the cluster, built from their Go modules and kept by content.
//!
//! A finished program is kept in `$DISLODGE_TOOLS_CACHE` (else `$XDG_CACHE_HOME/dislodge/tools`, else
//! `~/.cache/dislodge/tools`) under a name made of everything that goes into it, so a second run
//! starts at once and a changed lock file builds anew.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::Instant;

use crate::error::{Error, Result};
use crate::go;
use crate::modules::{ETCD, HELM, JOBSET, KUBERNETES, KUEUE, Module, PROMETHEUS};
use crate::progress::{Progress, say};
use crate::text::{content_name, tail};

/// What to expect of a build with nothing cached, for the person who waits.
const EXPECTATION: &str = "the programs of the test cluster are built once; with nothing cached that \
                           takes about 15 minutes on 2 cores";
/// How often a running build says that it is still running.
const STILL_BUILDING: Duration = Duration::from_secs(15);

/// A program to build.
struct Tool {
    name: &'static str,
    module: Module,
    package: &'static str,
}

/// In the order of building: each of the Kubernetes ones makes the next one cheaper.
const TOOLS: [Tool; 6] = [
    Tool { name: "etcd", module: ETCD, package: "go.etcd.io/etcd/server/v3" },
    Tool {
        name: "kube-apiserver",
        module: KUBERNETES,
        package: "k8s.io/kubernetes/cmd/kube-apiserver",
    },
    Tool {
        name: "kube-controller-manager",
        module: KUBERNETES,
        package: "k8s.io/kubernetes/cmd/kube-controller-manager",
    },
    Tool {
        name: "kube-scheduler",
        module: KUBERNETES,
        package: "k8s.io/kubernetes/cmd/kube-scheduler",
    },
    Tool { name: "kueue", module: KUEUE, package: "sigs.k8s.io/kueue/cmd/kueue" },
    Tool { name: "jobset", module: JOBSET, package: "sigs.k8s.io/jobset" },
];

const KUBECTL: Tool =
    Tool { name: "kubectl", module: KUBERNETES, package: "k8s.io/kubernetes/cmd/kubectl" };

const HELM_CLIENT: Tool = Tool { name: "helm", module: HELM, package: "helm.sh/helm/v4/cmd/helm" };

const PROMTOOL: Tool = Tool {
    name: "promtool",
    module: PROMETHEUS,
    package: "github.com/prometheus/prometheus/cmd/promtool",
};

/// The programs of the cluster, ready to run.
#[derive(Debug, Clone)]
pub struct Tools {
    /// etcd.
    pub etcd: PathBuf,
    /// kube-apiserver.
    pub apiserver: PathBuf,
    /// kube-controller-manager.
    pub controller_manager: PathBuf,
    /// kube-scheduler.
    pub scheduler: PathBuf,
    /// Kueue's manager.
    pub kueue: PathBuf,
    /// JobSet's manager.
    pub jobset: PathBuf,
    /// Where finished things are kept.
    pub(crate) cache: PathBuf,
}

impl Tools {
    /// Builds what is missing, with progress on standard error, and says where everything is.
    ///
    /// # Errors
    /// When Go is missing or too old, or a build fails; the text says what to do.
    pub async fn ensure() -> Result<Self> {
        let cache = cache_folder()?;
        let go = go::version().await?;
        let mut missing = 0;
        let mut programs = Vec::new();
        for tool in &TOOLS {
            let path = place(&cache, &go, tool)?;
            missing += usize::from(!path.is_file());
            programs.push((tool, path));
        }
        let mut built = 0;
        for (tool, path) in &programs {
            if !path.is_file() {
                if built == 0 {
                    say(EXPECTATION);
                }
                built += 1;
                build(tool, path, &format!("{built} of {missing}")).await?;
            }
        }
        let mut paths = programs.into_iter().map(|(_, path)| path);
        let mut next =
            || paths.next().ok_or_else(|| Error::malformed("the list of tools", "it is too short"));
        Ok(Self {
            etcd: next()?,
            apiserver: next()?,
            controller_manager: next()?,
            scheduler: next()?,
            kueue: next()?,
            jobset: next()?,
            cache,
        })
    }

    /// A kubectl: the one on the `PATH` where it is 1.30 or newer, else one that is built.
    ///
    /// # Errors
    /// When it has to be built and cannot be.
    pub async fn kubectl(&self) -> Result<PathBuf> {
        kubectl().await
    }
}

/// A kubectl: the one on the `PATH` where it is 1.30 or newer, else one that is built.
///
/// # Errors
/// When it has to be built and cannot be.
pub async fn kubectl() -> Result<PathBuf> {
    if installed_kubectl_minor().await >= Some(30) {
        return Ok(PathBuf::from("kubectl"));
    }
    ensured(&KUBECTL, "as none from 1.30 on is installed").await
}

/// Helm, built where it is not there: three minutes on 2 cores. One that is installed is not used: what it
/// renders is compared, and shall be the same everywhere.
///
/// # Errors
/// When it has to be built and cannot be.
pub async fn helm() -> Result<PathBuf> {
    ensured(&HELM_CLIENT, "to render the chart").await
}

/// promtool, built where it is not there: quickly once the others are built, whose libraries it shares.
///
/// # Errors
/// When it has to be built and cannot be.
pub async fn promtool() -> Result<PathBuf> {
    ensured(&PROMTOOL, "to try the alerts").await
}

async fn ensured(tool: &Tool, why: &str) -> Result<PathBuf> {
    let path = place(&cache_folder()?, &go::version().await?, tool)?;
    if !path.is_file() {
        build(tool, &path, why).await?;
    }
    Ok(path)
}

/// Where finished things are kept.
pub(crate) fn cache_folder() -> Result<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(folder) = variable("DISLODGE_TOOLS_CACHE") {
        return Ok(folder.into());
    }
    variable("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| variable("HOME").map(|home| Path::new(&home).join(".cache")))
        .map(|folder| folder.join("dislodge/tools"))
        .ok_or_else(|| {
            Error::malformed(
                "the environment",
                "none of DISLODGE_TOOLS_CACHE, XDG_CACHE_HOME and HOME is set",
            )
        })
}

/// Where a tool's program stands once it is built: a folder named after all that goes into it.
fn place(cache: &Path, go: &str, tool: &Tool) -> Result<PathBuf> {
    let lock = tool.module.lock_files()?;
    let flags = tool.module.linker_flags()? + tool.module.tags;
    let name =
        content_name([lock.as_slice(), go.as_bytes(), flags.as_bytes(), tool.package.as_bytes()]);
    Ok(cache.join(name).join(tool.name))
}

/// Builds one tool, unless another run has done so by the time that it is our turn.
async fn build(tool: &Tool, path: &Path, which: &str) -> Result<()> {
    let folder = path.parent().unwrap_or(path);
    std::fs::create_dir_all(folder).map_err(Error::file("create", folder))?;
    // Held until the end of the function; the system frees it also where we are killed.
    let _turn = take_turn(folder, tool.name).await?;
    if path.is_file() {
        return Ok(());
    }
    let progress = Progress::new(format!("building {} ({which})", tool.name));
    let log = folder.join(format!("{}.log", tool.name));
    let output = File::create(&log).map_err(Error::file("write", &log))?;
    let unfinished = folder.join(format!("{}.unfinished", tool.name));
    let mut compiler = go::command(tool.module)
        .args(["build", "-p", "2", "-trimpath", "-buildvcs=false", "-tags"])
        .args([tool.module.tags, "-ldflags"])
        .arg(tool.module.linker_flags()?)
        .arg("-o")
        .arg(&unfinished)
        .arg(tool.package)
        .stderr(output)
        .kill_on_drop(true)
        .spawn()
        .map_err(go::missing)?;
    let status = loop {
        match tokio::time::timeout(STILL_BUILDING, compiler.wait()).await {
            Ok(status) => break status.map_err(go::missing)?,
            Err(_) => progress.still(),
        }
    };
    if !status.success() {
        return Err(Error::Failed {
            command: format!("go build {}", tool.package),
            status: status.to_string(),
            hint: format!(
                "{}, about 10 GB of disk and 2 GB of memory; the whole output is in {}",
                go::NETWORK,
                log.display()
            ),
            output: tail(&log, 30),
        });
    }
    std::fs::rename(&unfinished, path).map_err(Error::file("write", path))?;
    progress.done();
    Ok(())
}

/// Waits until no other run builds the same.
pub(crate) async fn take_turn(folder: &Path, name: &str) -> Result<File> {
    let path = folder.join("lock");
    let file = File::create(&path).map_err(Error::file("write", &path))?;
    let started = Instant::now();
    let mut told = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(std::fs::TryLockError::Error(source)) => {
                return Err(Error::File { doing: "lock", path, source });
            }
            Err(std::fs::TryLockError::WouldBlock) => {}
        }
        if !told && started.elapsed() > Duration::from_secs(1) {
            told = true;
            say(&format!("waiting for another run that builds {name}"));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// The minor version of the kubectl on the `PATH`; `None` where there is none.
async fn installed_kubectl_minor() -> Option<u32> {
    let output = Command::new("kubectl")
        .args(["version", "--client", "-o", "json"])
        .stdin(Stdio::null())
        .output()
        .await
        .ok()?;
    let version: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
    // Some vendors write `32+`.
    version.pointer("/clientVersion/minor")?.as_str()?.trim_end_matches('+').parse().ok()
}
