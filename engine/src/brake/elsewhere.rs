//! Which nodes have really pulled an image: what another node could pull is this node's fault.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use smallvec::SmallVec;

/// At most so many images are remembered; the one that was pulled longest ago goes first.
const MOST_IMAGES: usize = 10_000;

/// The newest pull of each image, on the two nodes that pulled it last: whichever node asks, the
/// newest pull of another one is among them.
#[derive(Clone, Debug, Default)]
pub struct Elsewhere {
    images: BTreeMap<Arc<str>, Pulls>,
    by_newest: BTreeSet<(Timestamp, Arc<str>)>,
}

/// The newest first.
type Pulls = SmallVec<[(Timestamp, Arc<str>); 2]>;

impl Elsewhere {
    /// A container of the image with policy `Always` started on the node at `at`, seen in a watch
    /// event and not in a list.
    pub fn pulled(&mut self, image: &Arc<str>, node: &Arc<str>, at: Timestamp) {
        let mut pulls = self.images.remove(image).unwrap_or_default();
        if let Some((newest, _)) = pulls.first() {
            self.by_newest.remove(&(*newest, Arc::clone(image)));
        }
        match pulls.iter_mut().find(|(_, known)| known == node) {
            Some((last, _)) => *last = at.max(*last),
            None => pulls.push((at, Arc::clone(node))),
        }
        pulls.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        pulls.truncate(2);
        if let Some((newest, _)) = pulls.first() {
            self.by_newest.insert((*newest, Arc::clone(image)));
        }
        self.images.insert(Arc::clone(image), pulls);
        if self.images.len() > MOST_IMAGES
            && let Some((_, oldest)) = self.by_newest.pop_first()
        {
            self.images.remove(&oldest);
        }
    }

    /// Whether another node has pulled the image after `since`.
    pub fn on_another_node(&self, image: &str, node: &str, since: Timestamp) -> bool {
        let pulls = self.images.get(image).into_iter().flatten();
        pulls.into_iter().any(|(at, known)| &**known != node && *at > since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn elsewhere(pulls: &[(&str, &str, i64)]) -> Elsewhere {
        let mut elsewhere = Elsewhere::default();
        for (image, node, second) in pulls {
            elsewhere.pulled(&Arc::from(*image), &Arc::from(*node), at(*second));
        }
        elsewhere
    }

    #[test]
    fn only_another_node_counts_and_only_what_it_pulled_afterwards() {
        let pulls = elsewhere(&[("a", "one", 10), ("a", "two", 20), ("b", "one", 30)]);
        for (image, node, since, expected) in [
            ("a", "one", 19, true),
            ("a", "one", 20, false),
            ("a", "two", 9, true),
            ("a", "two", 10, false),
            ("a", "three", 15, true),
            ("b", "one", 0, false),
            ("c", "one", 0, false),
        ] {
            let told = pulls.on_another_node(image, node, at(since));
            assert_eq!(told, expected, "{image} on {node} since {since}");
        }
    }

    #[test]
    fn whichever_node_asks_two_nodes_suffice_for_what_all_would_say() {
        let nodes = ["one", "two", "three", "four"];
        for seed in 0..500_u64 {
            let mut random = seed;
            let mut next = |below: u64| {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(seed | 1);
                (random >> 33) % below
            };
            let pulls: Vec<(&str, &str, i64)> = (0..12)
                .map(|_| ("a", nodes[usize::try_from(next(4)).unwrap()], next(30).cast_signed()))
                .collect();
            let kept = elsewhere(&pulls);
            for node in nodes {
                for since in 0..30 {
                    let all = pulls.iter().any(|(_, n, second)| *n != node && *second > since);
                    assert_eq!(kept.on_another_node("a", node, at(since)), all, "{pulls:?} {node}");
                }
            }
        }
    }

    #[test]
    fn the_image_that_was_pulled_longest_ago_is_forgotten_first() {
        let mut pulls = elsewhere(&[("old", "one", 1), ("older", "one", 0)]);
        pulls.pulled(&Arc::from("older"), &Arc::from("two"), at(500));
        for n in 0..MOST_IMAGES - 1 {
            pulls.pulled(&Arc::from(format!("i{n}")), &Arc::from("one"), at(100));
        }
        assert_eq!((pulls.images.len(), pulls.by_newest.len()), (MOST_IMAGES, MOST_IMAGES));
        assert!(!pulls.on_another_node("old", "x", at(0)));
        assert!(pulls.on_another_node("older", "x", at(0)));
    }
}
