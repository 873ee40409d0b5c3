//! The recorded cases, and the failed pulls of each of their Pods, in the order of creation: counted
//! by eye in the recordings, kubelet restarts (which begin the schedule anew) included.

pub(crate) const CASES: [(&str, &[usize]); 56] = [
    // the image is pushed after the third
    ("appears-after-3-failures", &[3, 3]),
    // one 503, then a pull of 190 s
    ("blip-then-slow-pull", &[1, 1]),
    ("blob-stall", &[0, 0]),
    ("blob-wrong-digest", &[12, 12]),
    ("calm-cond-delete-job-pfp-kueue", &[1, 0, 1, 0]),
    ("calm-failuretarget-job-kueue", &[1, 0, 1, 0]),
    ("cond-delete-during-slow-pull", &[0, 0]),
    ("cond-delete-exitcode-rule-first", &[1, 1, 11, 11]),
    ("cond-delete-job-backofflimit0-kueue", &[1, 1, 0, 0]),
    ("cond-delete-job-no-policy", &[1, 1, 1, 1, 1, 1, 11, 11]),
    ("cond-delete-job-pfp-kueue", &[1, 1, 0, 0]),
    ("cond-delete-plain", &[1, 1]),
    ("cond-delete-running-peer", &[1, 1]),
    ("config-error-not-image", &[0]),
    ("conn-refused", &[12, 12]),
    ("crashloop-not-image", &[0]),
    // the limit of the node is no failed pull
    ("default-kubelet-burst-15", &[5, 4, 4]),
    ("default-kubelet-serial-hang-forever", &[0, 0, 0, 0, 0, 0]),
    ("delete-only-job-no-policy", &[1, 1, 11, 11]),
    ("deleted-while-backing-off", &[4, 4]),
    ("denied-403", &[12, 12]),
    ("digest-not-found", &[12]),
    ("dns-nxdomain", &[12, 12]),
    ("dns-servfail", &[12]),
    // said once
    ("err-image-never-pull", &[1, 1]),
    ("failuretarget-job", &[1, 1]),
    ("failuretarget-job-kueue", &[1, 1, 0, 0]),
    // each pull hangs for 90 s before it fails
    ("hang-45s-reset", &[7, 7]),
    ("hang-cond-delete-job-pfp-kueue", &[0, 0]),
    ("hang-forever", &[0, 0]),
    ("hang-kueue-active-false", &[0, 0]),
    // the old error in the first status of the new image does not count
    ("image-edited", &[4, 3]),
    ("image-volume-bad", &[12, 12]),
    // the runtime cannot mount it: no failed pull
    ("image-volume-good", &[0]),
    ("init-bad", &[12, 12]),
    // the first two pulls make one window
    ("init-good-main-bad", &[11]),
    // said once
    ("invalid-image-name", &[1, 1]),
    ("kueue-active-false", &[1, 1, 0, 0, 11, 11]),
    ("kueue-podset-update", &[1, 1, 0, 0, 11, 11]),
    ("no-amd64-in-index", &[11, 11]),
    // nothing counts while the phase is Failed
    ("phase-failed-job", &[1, 11, 11, 1]),
    // nothing counts while the phase is Failed
    ("phase-failed-plain-backing-off", &[2, 1]),
    ("phase-failed-plain-running", &[0, 0]),
    // one of the pulls goes by during a crash back-off
    ("repull-404-onfailure", &[11, 11]),
    ("running-plus-bad", &[12, 12]),
    // said once
    ("secret-malformed", &[1, 1]),
    ("secret-missing", &[12, 12]),
    ("secret-wrong-creds", &[12, 12]),
    ("server-503", &[12, 12]),
    ("slow-first-pull", &[0]),
    ("slow-pull-cond-delete-job-pfp-kueue", &[0, 0]),
    ("suspend-job", &[1, 1, 11, 11]),
    ("suspend-job-kueue", &[1, 1, 12, 11]),
    ("tag-not-found", &[12, 12]),
    // the second container never pulls by itself
    ("two-same-image", &[12, 12]),
    ("unauth-401-basic", &[12, 12]),
];
