//! When a kubelet pulls again: what thresholds mean in time.

use dislodge_engine::timing::Timing;

/// The longest pause between two pulls (kubelet: `MaxImageBackOff`, 300 s).
const LONGEST_PAUSE: u64 = 300;

/// The least seconds from the first failed pull to the one of this number. The pauses are 10 s,
/// doubled each time; what the pulls themselves take comes on top.
pub(crate) fn seconds_to(pull: u32) -> u64 {
    let shortest = Timing::kubelet().back_off_base.as_secs();
    (1..pull)
        .map(|before| {
            let doubled = shortest.saturating_mul(1 << (before - 1).min(16));
            doubled.min(LONGEST_PAUSE)
        })
        .sum()
}

/// The first failed pull that is at least so many seconds behind the first one.
pub(crate) fn first_pull_after(seconds: u64) -> u32 {
    let mut pull = 1;
    while seconds_to(pull) < seconds {
        pull += 1;
    }
    pull
}

/// Seconds as people say them.
pub(crate) fn in_words(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds.div_ceil(60)),
        7200..172_800 => format!("{} h", seconds.div_ceil(3600)),
        _ => format!("{} days", seconds.div_ceil(86_400)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pauses_double_up_to_five_minutes() {
        let seconds: Vec<u64> = (1..=9).map(seconds_to).collect();
        assert_eq!(seconds, [0, 10, 30, 70, 150, 310, 610, 910, 1210]);
        assert_eq!(seconds_to(100), 310 + 94 * 300);
        assert_eq!(seconds_to(0), 0);
    }

    #[test]
    fn time_is_reached_by_the_pull_that_follows_it() {
        for (seconds, pull) in
            [(0, 1), (1, 2), (10, 2), (11, 3), (300, 6), (1200, 9), (86_400, 293)]
        {
            assert_eq!(first_pull_after(seconds), pull, "{seconds} s");
        }
    }

    #[test]
    fn seconds_are_said_in_the_unit_that_people_use() {
        for (seconds, words) in
            [(30, "30 s"), (310, "6 min"), (7200, "2 h"), (28_510, "8 h"), (604_800, "7 days")]
        {
            assert_eq!(in_words(seconds), words);
        }
    }
}
