//! Everything that can happen to a stream, in any mixture.

use proptest::prelude::*;

use crate::delivery::{Delivery, How};
use crate::recording::lives;
use crate::watcher::Watcher;

/// What becomes of one event.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Watched,
    Twice,
    Relisted,
    /// The next that arrives is listed.
    Missed,
    /// Only a new process sees it, with one of the checkpoints before.
    Restarted(usize),
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        4 => Just(Fate::Watched),
        1 => Just(Fate::Twice),
        1 => Just(Fate::Relisted),
        1 => Just(Fate::Missed),
        1 => any::<usize>().prop_map(Fate::Restarted),
    ]
}

proptest! {
    #[test]
    fn no_mixture_counts_too_much_or_opens_a_moment(
        life in any::<prop::sample::Index>(),
        fates in prop::collection::vec(fate(), 100),
    ) {
        let lives: Vec<_> = lives().collect();
        let life = lives[life.index(lives.len())];
        let recorded = Watcher::recorded(life);
        let mut watcher = Watcher::new(life);
        let mut missed = false;
        for (delivery, fate) in life.watched(0).zip(fates) {
            let listed = Delivery { how: How::Listed, ..delivery };
            let event = if missed { listed } else { delivery };
            missed = matches!(fate, Fate::Missed);
            let deliveries = match fate {
                Fate::Watched => vec![event],
                Fate::Twice => vec![event, delivery],
                Fate::Relisted => vec![event, listed],
                Fate::Missed => continue,
                Fate::Restarted(number) => match number.checked_rem(watcher.deliveries()) {
                    Some(checkpoint) => {
                        vec![Delivery { how: How::Restarted { checkpoint }, ..delivery }]
                    }
                    None => vec![event],
                },
            };
            for delivery in deliveries {
                watcher.deliver(delivery);
                prop_assert_eq!(watcher.excess(delivery.at), None);
                let until = life.events.get(delivery.event + 1).map(|next| next.at);
                let straight = &recorded[delivery.event + 1];
                prop_assert_eq!(watcher.opened_beyond(straight, delivery.at, until), None);
            }
        }
    }
}
