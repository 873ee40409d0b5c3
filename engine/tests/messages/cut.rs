//! Messages that are cut off: the decisive words stand at the end of an error.

use dislodge_engine::cause::{Cause, Class};
use dislodge_engine::message::read;

use crate::corpus::rows;

#[test]
fn a_message_that_is_cut_off_is_never_called_permanent_where_the_whole_is_not() {
    let mut wrong = Vec::new();
    for row in rows() {
        let permanent = |cause: Option<Cause>| cause.is_some_and(|c| c.class() == Class::Permanent);
        if permanent(row.cause) {
            continue;
        }
        let supports = |cause| row.accepts(cause) || row.read() == cause;
        for (end, _) in row.message.char_indices() {
            for text in [&row.message[..end], &row.message[end..]] {
                let cause = read(Some(&row.reason), text, Some(&row.image)).cause;
                if permanent(cause) && !supports(cause) {
                    wrong.push(format!("{:?} read as {cause:?} of: {text}", row.cause));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong, among them\n{}", wrong.len(), wrong.join("\n"));
}
