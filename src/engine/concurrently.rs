//! Many things at once, a bounded number at a time, with answers in the order
//! of the questions. Owns nothing else.

use futures_util::{StreamExt, stream};

/// How many requests of one run are in flight at most.
const MOST_AT_ONCE: usize = 16;

/// Runs every future to its end.
pub(super) async fn concurrently<F: Future>(
    futures: impl IntoIterator<Item = F>,
) -> Vec<F::Output> {
    stream::iter(futures).buffered(MOST_AT_ONCE).collect().await
}
