//! Named tasks with an owner who notices when one of them ends.

use std::collections::HashMap;
use std::time::Duration;

use tokio::task::{Id, JoinError, JoinSet};

/// Tasks that run until they are told to stop.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    running: JoinSet<()>,
    names: HashMap<Id, &'static str>,
}

impl Tasks {
    /// Starts a task under a name.
    pub(super) fn start(
        &mut self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let handle = self.running.spawn(task);
        self.names.insert(handle.id(), name);
    }

    /// Waits until one of them ends, and says which; for ever where there is none.
    pub(super) async fn ended(&mut self) -> &'static str {
        match self.running.join_next_with_id().await {
            Some(ended) => self.name_of(ended),
            None => std::future::pending().await,
        }
    }

    /// Waits for the end of all, and cuts off those that take longer.
    pub(super) async fn drain(mut self, limit: Duration) {
        let all = async {
            while let Some(ended) = self.running.join_next_with_id().await {
                self.name_of(ended);
            }
        };
        if tokio::time::timeout(limit, all).await.is_err() {
            tracing::warn!(tasks = ?self.names.values(), "cut off: they took longer than the end may take");
            // What they held is free when this returns.
            self.running.shutdown().await;
        }
    }

    fn name_of(&mut self, ended: Result<(Id, ()), JoinError>) -> &'static str {
        let (id, error) = match ended {
            Ok((id, ())) => (id, None),
            Err(error) => (error.id(), Some(error)),
        };
        let name = self.names.remove(&id).unwrap_or("unknown");
        if let Some(error) = error.filter(|error| !error.is_cancelled()) {
            tracing::error!(task = name, error = %error, "a task panicked");
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;

    use super::*;

    #[tokio::test]
    async fn the_task_that_ends_is_named_however_it_ends() {
        let mut tasks = Tasks::default();
        tasks.start("waits", std::future::pending());
        tasks.start("ends", async {});
        assert_eq!(tasks.ended().await, "ends");
        tasks.start("panics", async { panic!("on purpose") });
        assert_eq!(tasks.ended().await, "panics");
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_is_waited_for_and_then_forced() {
        let stop = CancellationToken::new();
        let mut tasks = Tasks::default();
        let (told, held) = (stop.clone(), std::sync::Arc::new(()));
        let holds = std::sync::Arc::clone(&held);
        tasks.start("obeys", async move { told.cancelled().await });
        tasks.start("does not", async move {
            std::future::pending::<()>().await;
            drop(holds);
        });
        stop.cancel();
        tasks.drain(Duration::from_secs(5)).await;
        assert_eq!(std::sync::Arc::strong_count(&held), 1);
    }
}
