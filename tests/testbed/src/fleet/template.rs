//! Objects as text with holes, cut once: to fill one is a few copies.

use serde_json::Value;

use crate::error::{Error, Result};

/// What differs between objects of one shape.
#[derive(Clone, Debug, Default)]
pub(super) struct Values {
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) uid: String,
    pub(super) version: String,
    pub(super) job: String,
    pub(super) job_uid: String,
    pub(super) index: String,
    pub(super) node: String,
    pub(super) image: String,
    pub(super) created: String,
    pub(super) wrote: String,
    pub(super) workload: String,
    pub(super) cluster_queue: String,
    pub(super) pods_ready: &'static str,
}

impl Values {
    fn get(&self, hole: Hole) -> &str {
        match hole {
            Hole::Name => &self.name,
            Hole::Namespace => &self.namespace,
            Hole::Uid => &self.uid,
            Hole::Version => &self.version,
            Hole::Job => &self.job,
            Hole::JobUid => &self.job_uid,
            Hole::Index => &self.index,
            Hole::Node => &self.node,
            Hole::Image => &self.image,
            Hole::Created => &self.created,
            Hole::Wrote => &self.wrote,
            Hole::Workload => &self.workload,
            Hole::ClusterQueue => &self.cluster_queue,
            Hole::PodsReady => self.pods_ready,
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Hole {
    Name,
    Namespace,
    Uid,
    Version,
    Job,
    JobUid,
    Index,
    Node,
    Image,
    Created,
    Wrote,
    Workload,
    ClusterQueue,
    PodsReady,
}

impl Hole {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "name" => Self::Name,
            "namespace" => Self::Namespace,
            "uid" => Self::Uid,
            "version" => Self::Version,
            "job" => Self::Job,
            "job_uid" => Self::JobUid,
            "index" => Self::Index,
            "node" => Self::Node,
            "image" => Self::Image,
            "created" => Self::Created,
            "wrote" => Self::Wrote,
            "workload" => Self::Workload,
            "cluster_queue" => Self::ClusterQueue,
            "pods_ready" => Self::PodsReady,
            _ => return None,
        })
    }
}

/// One shape of objects: JSON in which `{{hole}}` stands for what differs.
#[derive(Debug)]
pub(super) struct Template {
    /// A text, and what follows it.
    parts: Vec<(Box<str>, Hole)>,
    end: Box<str>,
}

impl Template {
    /// Cuts a shape, without the spaces that make it readable.
    ///
    /// # Errors
    /// Where a hole has no name that is known.
    pub(super) fn new(shape: &Value) -> Result<Self> {
        let text = shape.to_string();
        let mut parts = Vec::new();
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once("{{") {
            let (name, after) = after.split_once("}}").unwrap_or((after, ""));
            let hole = Hole::named(name).ok_or_else(|| {
                Error::malformed("a shape of the fleet", format!("no hole is called {name}"))
            })?;
            parts.push((before.into(), hole));
            rest = after;
        }
        Ok(Self { parts, end: rest.into() })
    }

    /// Writes an object behind `out`.
    pub(super) fn fill(&self, values: &Values, out: &mut Vec<u8>) {
        for (text, hole) in &self.parts {
            out.extend_from_slice(text.as_bytes());
            out.extend_from_slice(values.get(*hole).as_bytes());
        }
        out.extend_from_slice(self.end.as_bytes());
    }
}
