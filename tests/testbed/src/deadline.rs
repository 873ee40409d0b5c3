//! Waiting, with an end to it.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use crate::error::{Error, Result};

/// How often something is asked that cannot be watched.
const EVERY: Duration = Duration::from_millis(25);

/// Waits for a future, so many seconds at most.
///
/// # Errors
/// [`Error::Late`] with `what` when it takes longer.
pub async fn within<T>(seconds: u64, what: &str, future: impl Future<Output = T>) -> Result<T> {
    timeout(Duration::from_secs(seconds), future).await.map_err(|_| Error::Late {
        what: what.to_owned(),
        seconds,
        last: "nothing was heard".to_owned(),
    })
}

/// Asks again and again until the answer is a yes, so many seconds at most: for what cannot be watched.
///
/// # Errors
/// [`Error::Late`] with `what` and the last no.
pub async fn until<T, F>(seconds: u64, what: &str, mut ask: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T, String>>,
{
    let end = Instant::now() + Duration::from_secs(seconds);
    loop {
        match ask().await {
            Ok(answer) => return Ok(answer),
            Err(last) if Instant::now() >= end => {
                return Err(Error::Late { what: what.to_owned(), seconds, last });
            }
            Err(_) => sleep(EVERY).await,
        }
    }
}
