//! A history for replicas that are not the model's own: those of the real program.

use std::time::Duration;

use super::{END, Item, Recipe};
use crate::world::{Deed, Judge, ReplicaPlan, World};

/// The cluster of a history, and what its replicas go through.
#[derive(Debug)]
pub struct Staged {
    /// The cluster, without replicas.
    pub world: World,
    /// How each replica is run.
    pub replicas: Vec<ReplicaPlan>,
    /// When a replica is killed, or started again.
    pub lives: Vec<(Duration, usize, bool)>,
    /// Who looks at each step.
    pub judge: Judge,
    /// When the history ends.
    pub end: Duration,
}

impl Recipe {
    /// The same history without the model's replicas.
    pub fn staged(&self) -> Staged {
        let world = Self { replicas: 0, ..self.clone() }.cluster();
        let troubles_of = |replica: usize| {
            let troubles = self.items.iter().filter_map(move |item| match item {
                Item::Trouble(of, from, until, trouble) if *of == replica => {
                    Some((*from, *until, *trouble))
                }
                Item::Trouble(..) | Item::Job(..) | Item::Image(..) | Item::Deed(..) => None,
            });
            troubles.collect()
        };
        let replicas = (0..self.replicas).map(|replica| ReplicaPlan {
            starts: Duration::from_secs(1),
            leads: replica == 0,
            troubles: troubles_of(replica),
            mistake: None,
        });
        let mut lives: Vec<(Duration, usize, bool)> = self
            .items
            .iter()
            .filter_map(|item| match item {
                Item::Deed(at, Deed::Kill(replica)) => Some((*at, *replica, false)),
                Item::Deed(at, Deed::Start(replica)) => Some((*at, *replica, true)),
                Item::Deed(..) | Item::Trouble(..) | Item::Job(..) | Item::Image(..) => None,
            })
            .collect();
        lives.sort_unstable();
        Staged { world, replicas: replicas.collect(), lives, judge: self.judge(), end: END }
    }
}
