//! Reads a cluster with a person's own rights: what may not be read is a gap, not the end.

use dislodge_engine::input::Kind;
use dislodge_engine::objects::{ClusterQueue, Node};
use k8s_openapi::api::core::v1::Event;
use kube::api::ListParams;
use kube::{Api, Client};

use crate::client::describe;
use crate::explain::subject::{self, Named};
use crate::inspect::{Error, Gap, Snapshot};
use crate::watch::kinds::{Absence, Followed};
use crate::watch::object::Watched;

/// So many objects a request.
const PAGE: u32 = 500;

/// What is looked at.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    /// With whose rights.
    pub client: &'a Client,
    /// `None`: all namespaces.
    pub namespace: Option<&'a str>,
}

impl std::fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

/// What came of a list.
pub(crate) enum Listed<T> {
    /// All of it.
    Whole(Vec<T>),
    /// The right to list it is missing.
    Forbidden,
    /// The API server does not serve the kind.
    Absent,
}

impl Reader<'_> {
    /// All that tells of the jobs of a namespace.
    ///
    /// # Errors
    ///
    /// Where the API server does not answer.
    pub async fn jobs(&self) -> Result<Snapshot, Error> {
        let mut seen = Snapshot::default();
        let gaps = &mut seen.gaps;
        seen.pods = self.list(gaps, "which images of which Pods cannot be pulled, and why").await?;
        seen.jobs = self.list(gaps, "the Jobs, and what holds them").await?;
        seen.job_sets = self.list(gaps, "the JobSets, and what holds them").await?;
        seen.cron_jobs =
            self.list(gaps, "whether a Job that is held would block a CronJob's schedule").await?;
        seen.workloads = self
            .list(gaps, "whether a job holds quota, and which hold its Workload is under")
            .await?;
        seen.local_queues = self.list(gaps, "which queues there are").await?;
        seen.policies =
            self.list(gaps, "which policy and rule decide, and how often it has counted").await?;
        seen.events = self.events(gaps).await?;
        Ok(seen)
    }

    /// The same and what lies in no namespace, for a report: what cannot be read is a gap, whatever the reason.
    pub async fn all_that_answers(&self) -> Snapshot {
        let mut seen = Snapshot::default();
        let gaps = &mut seen.gaps;
        seen.pods = self.or_gap(gaps, "the Pods").await;
        seen.jobs = self.or_gap(gaps, "the Jobs").await;
        seen.job_sets = self.or_gap(gaps, "the JobSets").await;
        seen.cron_jobs = self.or_gap(gaps, "the CronJobs").await;
        seen.workloads = self.or_gap(gaps, "the Workloads").await;
        seen.local_queues = self.or_gap(gaps, "the LocalQueues").await;
        seen.policies = self.or_gap(gaps, "the policies").await;
        seen.cluster_queues = self.or_gap(gaps, "the ClusterQueues").await;
        seen.nodes = self.or_gap(gaps, "the Nodes").await;
        seen.events = self.events(gaps).await.unwrap_or_else(|error| {
            gaps.push(Gap { missing: error.to_string(), unknown: "the Events".to_owned() });
            Vec::new()
        });
        seen
    }

    async fn or_gap<T: Followed>(&self, gaps: &mut Vec<Gap>, unknown: &str) -> Vec<T> {
        self.list(gaps, unknown).await.unwrap_or_else(|error| {
            gaps.push(Gap { missing: error.to_string(), unknown: unknown.to_owned() });
            Vec::new()
        })
    }

    /// What tells of holds, and no more.
    ///
    /// # Errors
    ///
    /// Where the API server does not answer.
    pub async fn holds(&self) -> Result<Snapshot, Error> {
        let mut seen = Snapshot::default();
        let gaps = &mut seen.gaps;
        seen.jobs = self.list(gaps, "which Jobs are held").await?;
        seen.job_sets = self.list(gaps, "which JobSets are held").await?;
        let more = "what each hold leads to, and holds of kinds of which Kueue alone knows";
        seen.workloads = self.list(gaps, more).await?;
        Ok(seen)
    }

    /// One object.
    ///
    /// # Errors
    ///
    /// Where it is not there, or may not be read.
    pub async fn one(&self, named: &Named) -> Result<Snapshot, Error> {
        let mut seen = Snapshot::default();
        match named.kind {
            subject::Kind::Job => seen.jobs = self.get(&named.name).await?,
            subject::Kind::JobSet => seen.job_sets = self.get(&named.name).await?,
            subject::Kind::Pod => seen.pods = self.get(&named.name).await?,
            subject::Kind::Workload => seen.workloads = self.get(&named.name).await?,
        }
        let none = seen.jobs.is_empty() && seen.job_sets.is_empty() && seen.pods.is_empty();
        if none && seen.workloads.is_empty() {
            return Err(self.nothing(named));
        }
        Ok(seen)
    }

    /// One policy; nothing where there is none of that name.
    ///
    /// # Errors
    ///
    /// Where it may not be read.
    pub async fn policy(&self, name: &str) -> Result<Snapshot, Error> {
        Ok(Snapshot { policies: self.get(name).await?, ..Snapshot::default() })
    }

    /// What was asked about is not there.
    pub fn nothing(&self, named: &Named) -> Error {
        let namespace = self.namespace.unwrap_or_default();
        let plural = named.kind.plural();
        Error::Nothing {
            kind: named.kind.as_str(),
            name: named.name.clone(),
            place: format!("namespace {namespace}"),
            advice: format!(
                "kubectl get {plural} -n {namespace} lists what there is, and -n names another \
                 namespace"
            ),
        }
    }

    async fn get<T: Followed>(&self, name: &str) -> Result<Vec<T>, Error> {
        let source = T::SOURCE;
        let namespace = self.namespace.unwrap_or_default();
        for version in source.versions {
            let resource = source.resource(version);
            let api: Api<Watched<T>> =
                Api::namespaced_with(self.client.clone(), namespace, &resource);
            match api.get(name).await {
                Ok(watched) => {
                    let unreadable = |why| Error::Request { what: source.name(), why };
                    return watched.object.map(|object| vec![object]).map_err(unreadable);
                }
                Err(kube::Error::Api(status)) if status.code == 403 => {
                    return Err(Error::Right(format!(
                        "the right to get {} in namespace {namespace} is missing: ask whoever \
                         gives rights there; nothing was changed",
                        source.name()
                    )));
                }
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(error) => return Err(refused(&source.name(), &error)),
            }
        }
        Ok(Vec::new())
    }

    /// What lies in no namespace. Most people may not read it, and most answers need none of it.
    ///
    /// # Errors
    ///
    /// Where the API server does not answer.
    pub async fn cluster(&self, seen: &mut Snapshot) -> Result<(), Error> {
        let mut gaps = Vec::new();
        seen.cluster_queues = self.list::<ClusterQueue>(&mut gaps, "").await?;
        seen.nodes = self.list::<Node>(&mut gaps, "").await?;
        Ok(())
    }

    async fn list<T: Followed>(&self, gaps: &mut Vec<Gap>, unknown: &str) -> Result<Vec<T>, Error> {
        let source = T::SOURCE;
        match self.try_list().await? {
            Listed::Whole(objects) => Ok(objects),
            Listed::Forbidden => {
                gaps.push(self.gap(&source.name(), unknown));
                Ok(Vec::new())
            }
            Listed::Absent => {
                if let (Absence::Told(_), Kind::Policy) = (source.absence, source.kind) {
                    gaps.push(Gap {
                        missing:
                            "the CRD of ImagePullPolicy in this cluster: Dislodge is not installed"
                                .to_owned(),
                        unknown: unknown.to_owned(),
                    });
                }
                Ok(Vec::new())
            }
        }
    }

    fn gap(&self, resource: &str, unknown: &str) -> Gap {
        let place = self.namespace.map(|namespace| format!(" in namespace {namespace}"));
        Gap {
            missing: format!("the right to list {resource}{}", place.unwrap_or_default()),
            unknown: unknown.to_owned(),
        }
    }

    /// All objects of a kind, or why there are none.
    pub(crate) async fn try_list<T: Followed>(&self) -> Result<Listed<T>, Error> {
        let source = T::SOURCE;
        for version in source.versions {
            let resource = source.resource(version);
            let namespace = self.namespace.filter(|_| source.namespaced);
            let api: Api<Watched<T>> = match namespace {
                Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
                None => Api::all_with(self.client.clone(), &resource),
            };
            match pages(&api, ListParams::default()).await {
                Ok(objects) => {
                    let read = objects.into_iter().filter_map(|watched| watched.object.ok());
                    return Ok(Listed::Whole(read.collect()));
                }
                Err(kube::Error::Api(status)) if status.code == 403 => {
                    return Ok(Listed::Forbidden);
                }
                // A version that is not served, or no version at all.
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(error) => return Err(refused(&source.name(), &error)),
            }
        }
        Ok(Listed::Absent)
    }

    /// The Events of failed pulls.
    async fn events(&self, gaps: &mut Vec<Gap>) -> Result<Vec<Event>, Error> {
        let api: Api<Event> = match self.namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        };
        let failed = ListParams::default().fields("reason=Failed,involvedObject.kind=Pod");
        match pages(&api, failed).await {
            Ok(events) => Ok(events),
            Err(kube::Error::Api(status)) if status.code == 403 => {
                let unknown = "how many pulls have failed, where no policy's status says it";
                gaps.push(self.gap("events", unknown));
                Ok(Vec::new())
            }
            Err(error) => Err(refused("events", &error)),
        }
    }
}

/// A list of any length.
async fn pages<K>(api: &Api<K>, params: ListParams) -> Result<Vec<K>, kube::Error>
where
    K: Clone + serde::de::DeserializeOwned + std::fmt::Debug,
{
    let mut params = params.limit(PAGE);
    let mut all = Vec::new();
    loop {
        let page = api.list(&params).await?;
        all.extend(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(all),
        }
    }
}

/// What went wrong with a request, and what to do.
pub fn refused(what: &str, error: &kube::Error) -> Error {
    Error::Request { what: what.to_owned(), why: describe(error) }
}
