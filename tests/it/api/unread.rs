//! A client that asks and does not take its answers is let go.

use std::io::ErrorKind;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::client::Served;
use crate::both;

/// Requests whose answers are more than the buffers of two sockets hold.
const REQUESTS: usize = 3_000;

both!(a_client_that_takes_no_answer_is_cut_off, |shop| {
    for number in 0..20 {
        shop.item(&format!("MUG-{number}"), 5).await;
    }
    let served = Served::new(&shop).await;
    let web = served.client("web", "reader").await;
    let address = served.base().strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET /v1/inventory?limit=20 HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\n\r\n",
        web.key()
    );
    let all = request.repeat(REQUESTS);
    // They do not fit either: the server stops taking more of them.
    tokio::time::timeout(Duration::from_secs(5), stream.write_all(all.as_bytes())).await.ok();
    let cut_off = async {
        loop {
            assert_eq!(web.get("/v1/inventory/MUG-1").await.status, 200, "others are served");
            match stream.try_write(b"G") {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return error.kind(),
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let how = tokio::time::timeout(Duration::from_mins(1), cut_off).await.unwrap();
    assert!(matches!(how, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{how:?}");
    served.end().await;
});
