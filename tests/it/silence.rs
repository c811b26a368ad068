//! A PostgreSQL that is silent from one moment on, as a host that vanished: nothing that was
//! sent to it is answered, and no connection breaks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use invshop::shop::Shop;
use invshop::store::Place;
use invshop::writer::{Answer, Command, Faults, Injected, Step, WriteError};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::harness::{Backend, TestShop, has_postgres, place};

/// How many connections were made, and how many of them, the first, are silent.
#[derive(Default)]
struct Silent {
    made: AtomicUsize,
    silent: AtomicUsize,
}

impl Silent {
    fn all(&self) {
        self.silent.store(usize::MAX, Ordering::SeqCst);
    }

    /// Those that are there already, in the middle of whatever they do.
    fn so_far(&self) {
        self.silent.store(self.made.load(Ordering::SeqCst), Ordering::SeqCst);
    }
}

/// Passes bytes on until its connection is one of the silent ones, and keeps it open then.
async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    is_silent: impl Fn() -> bool,
) {
    let mut buffer = vec![0; 65_536];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if is_silent() {
            std::future::pending::<()>().await;
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}

/// A way to a server that can be made silent; its port.
async fn proxy(server: String, silent: Arc<Silent>, tasks: &mut JoinSet<()>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tasks.spawn(async move {
        let mut passing = JoinSet::new();
        for number in 1.. {
            let (client, _) = listener.accept().await.unwrap();
            silent.made.store(number, Ordering::SeqCst);
            let upstream = TcpStream::connect(&server).await.unwrap();
            let ((read, write), (from, to)) = (client.into_split(), upstream.into_split());
            let (one, two) = (Arc::clone(&silent), Arc::clone(&silent));
            passing.spawn(pass(read, to, move || number <= one.silent.load(Ordering::SeqCst)));
            passing.spawn(pass(from, write, move || number <= two.silent.load(Ordering::SeqCst)));
        }
    });
    port
}

/// A shop in a test's database, reached by a way that can be made silent.
struct Far {
    test: TestShop,
    silent: Arc<Silent>,
    tasks: JoinSet<()>,
}

impl Far {
    async fn new() -> Self {
        let test = TestShop::new(Backend::Postgres).await;
        test.item("MUG", 10).await;
        Self { test, silent: Arc::default(), tasks: JoinSet::new() }
    }

    async fn open(&mut self, faults: Option<Faults>) -> Shop {
        let Place::Postgres(url) = &self.test.opening.place else { unreachable!() };
        let mut url = reqwest::Url::parse(url).unwrap();
        let server = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5432));
        let port = proxy(server, Arc::clone(&self.silent), &mut self.tasks).await;
        url.set_port(Some(port)).unwrap();
        let mut opening = self.test.opening.clone();
        opening.place = Place::Postgres(url.to_string());
        opening.random = self.test.random();
        opening.faults = faults;
        Shop::open(opening).await.unwrap()
    }

    async fn end(mut self, shop: Shop) {
        drop(shop);
        self.tasks.shutdown().await;
        self.test.end().await;
    }
}

async fn buy(shop: &Shop, name: &str) -> Result<Answer, WriteError> {
    shop.submit(Command::Place(place(name, &[("MUG", 1)])), None).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_silent_is_given_up_and_nothing_is_lost_or_doubled() {
    if !has_postgres() {
        return;
    }
    let mut far = Far::new().await;
    let shop = far.open(None).await;
    buy(&shop, "A").await.unwrap();
    far.silent.all();
    let begun = Instant::now();
    let lost = buy(&shop, "B").await;
    assert!(matches!(lost, Err(WriteError::Store(_) | WriteError::Unknown(_))), "{lost:?}");
    assert!(begun.elapsed() < Duration::from_mins(2), "{:?}", begun.elapsed());
    // Whoever connects anew is answered: the shop goes on by itself.
    far.silent.so_far();
    let deadline = Instant::now() + Duration::from_mins(2);
    while let Err(error) = buy(&shop, "B").await {
        assert!(Instant::now() < deadline, "{error}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(far.test.level("MUG", "main").await, [10, 2, 0, 0]);
    far.end(shop).await;
}

// Nobody knows then whether it was committed: it is found out on another connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_a_server_never_answers_is_found_out() {
    if !has_postgres() {
        return;
    }
    let mut far = Far::new().await;
    let (silent, armed) = (Arc::clone(&far.silent), Arc::new(AtomicBool::new(false)));
    let is_armed = Arc::clone(&armed);
    let faults: Faults = Arc::new(move |step| {
        if step == Step::Committing && is_armed.swap(false, Ordering::SeqCst) {
            silent.so_far();
        }
        Injected::Nothing
    });
    let shop = far.open(Some(faults)).await;
    armed.store(true, Ordering::SeqCst);
    buy(&shop, "A").await.unwrap();
    assert!(!armed.load(Ordering::SeqCst), "it was silent");
    assert_eq!(far.test.level("MUG", "main").await, [10, 1, 0, 0]);
    far.end(shop).await;
}
