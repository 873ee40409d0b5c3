//! What the command line means: every default that depends on where the process runs.

use std::fs;
use std::path::PathBuf;

use dislodge_engine::Config;

use crate::args::{ControllerArgs, Listen};

/// The namespace of the Lease where nothing else says it; the one that `deploy/` makes.
const DEFAULT_NAMESPACE: &str = "dislodge-system";
/// Where the kubelet puts the namespace of the Pod (Kubernetes: `serviceaccount` admission).
const POD_NAMESPACE_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";
/// The host's name (Linux: `proc(5)`).
const HOST_NAME_FILE: &str = "/proc/sys/kernel/hostname";

/// What the controller is to do, with nothing left open.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The only namespace to watch; `None`: all of them.
    pub namespace: Option<String>,
    /// Name of the Lease.
    pub lease_name: String,
    /// Namespace of the Lease.
    pub lease_namespace: String,
    /// Name of this replica.
    pub identity: String,
    /// The kubeconfig that was asked for.
    pub kubeconfig: Option<PathBuf>,
    /// The context that was asked for.
    pub context: Option<String>,
    /// Where the probes are served.
    pub probe_address: Listen,
    /// Where the metrics are served.
    pub metrics_address: Listen,
    /// Where the inputs are recorded, and how many bytes that may take.
    pub record: Option<(PathBuf, u64)>,
    /// The kubelet's second in milliseconds, where a test has asked for another one.
    pub millis_per_second: Option<u32>,
}

impl Settings {
    /// Fills in what the command line leaves to the place where the process runs.
    pub fn new(args: &ControllerArgs) -> Self {
        let file = |path: &str| filled(fs::read_to_string(path).ok());
        let variable = |name: &str| filled(std::env::var(name).ok());
        Self {
            namespace: args.namespace.clone(),
            lease_name: args.lease_name.clone(),
            lease_namespace: args
                .lease_namespace
                .clone()
                .or_else(|| file(POD_NAMESPACE_FILE))
                .unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned()),
            identity: filled(args.identity.clone())
                .or_else(|| variable("POD_NAME"))
                .or_else(|| file(HOST_NAME_FILE))
                .unwrap_or_else(|| "dislodge".to_owned()),
            kubeconfig: args.kubeconfig.clone(),
            context: args.context.clone(),
            probe_address: args.probe_address,
            metrics_address: args.metrics_address,
            record: args.record.clone().map(|folder| (folder, args.record_size << 20)),
            millis_per_second: args.test_millis_per_second,
        }
    }

    /// A replica beside others in one process: it serves nothing, and asks nothing of the machine.
    pub fn in_process(identity: &str, lease_namespace: &str, lease_name: &str) -> Self {
        Self {
            namespace: None,
            lease_name: lease_name.to_owned(),
            lease_namespace: lease_namespace.to_owned(),
            identity: identity.to_owned(),
            kubeconfig: None,
            context: None,
            probe_address: Listen::Off,
            metrics_address: Listen::Off,
            record: None,
            millis_per_second: None,
        }
    }

    /// The engine's configuration.
    pub fn engine(&self) -> Config {
        let millis = self.millis_per_second.unwrap_or(1000);
        let usual = Config::kubelet();
        Config {
            timing: usual.timing.scaled(millis),
            status_interval: usual.status_interval * millis / 1000,
        }
    }
}

/// A text without the space around it, unless nothing is left.
fn filled(text: Option<String>) -> Option<String> {
    text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}
