//! The server's side of the control socket: one task a program.

use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{broadcast, mpsc, oneshot};

use super::protocol::{Reply, Request};
use crate::daemon::inbound::Inbound;

/// Longest request.
const REQUEST_BYTES_MAX: u64 = 64 * 1024;

/// Serves the control socket for as long as the daemon runs. `events` carries lines of JSON.
pub async fn serve(
    listener: UnixListener,
    inbound: mpsc::Sender<Inbound>,
    events: broadcast::Sender<Arc<str>>,
) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(converse(stream, inbound.clone(), events.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "taking a control connection failed");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
}

async fn converse(stream: UnixStream, inbound: mpsc::Sender<Inbound>, events: broadcast::Sender<Arc<str>>) {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    loop {
        let mut line = String::new();
        match (&mut reader).take(REQUEST_BYTES_MAX).read_line(&mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let request = match serde_json::from_str(&line) {
            Ok(request) => request,
            Err(error) => {
                let reply = Reply::Error(format!("not a request this version knows: {error}"));
                if write_line(&mut writer, &reply).await.is_err() || !line.ends_with('\n') {
                    return;
                }
                continue;
            }
        };
        if request == Request::Events {
            let subscription = events.subscribe();
            if write_line(&mut writer, &Reply::Ok(serde_json::Value::Null))
                .await
                .is_ok()
            {
                // Nothing more is asked on this connection; reading notices the program hanging up.
                let mut rest = [0; 64];
                tokio::select! {
                    () = follow(subscription, &mut writer) => {}
                    _ = reader.read(&mut rest) => {}
                }
            }
            return;
        }
        let (reply, answer) = oneshot::channel();
        if inbound.send(Inbound::Control { request, reply }).await.is_err() {
            return;
        }
        let Ok(answer) = answer.await else { return };
        if write_line(&mut writer, &answer).await.is_err() {
            return;
        }
    }
}

async fn follow(mut subscription: broadcast::Receiver<Arc<str>>, writer: &mut (impl AsyncWriteExt + Unpin)) {
    loop {
        let line = match subscription.recv().await {
            Ok(line) => line.to_string(),
            // A follower that reads too slowly misses some, and is told how many.
            Err(broadcast::error::RecvError::Lagged(count)) => {
                format!("{{\"event\":\"missed\",\"count\":{count}}}")
            }
            Err(broadcast::error::RecvError::Closed) => return,
        };
        if writer.write_all(format!("{line}\n").as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn write_line(writer: &mut (impl AsyncWriteExt + Unpin), reply: &Reply) -> std::io::Result<()> {
    let mut line = serde_json::to_string(reply)?;
    line.push('\n');
    writer.write_all(line.as_bytes()).await
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server whose loop answers every request with its own name.
    fn client() -> (BufReader<UnixStream>, broadcast::Sender<Arc<str>>) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (inbound, mut requests) = mpsc::channel(4);
        let (events, _) = broadcast::channel(4);
        tokio::spawn(converse(theirs, inbound, events.clone()));
        tokio::spawn(async move {
            while let Some(Inbound::Control { request, reply }) = requests.recv().await {
                let _ = reply.send(Reply::ok(&request));
            }
        });
        (BufReader::new(ours), events)
    }

    async fn next_line(client: &mut BufReader<UnixStream>) -> String {
        let mut line = String::new();
        client.read_line(&mut line).await.unwrap();
        line
    }

    #[tokio::test]
    async fn requests_are_answered_in_order_and_nonsense_harms_nothing() {
        let (mut client, _events) = client();
        client
            .write_all(b"nonsense\n{\"command\":\"launch\"}\n{\"command\":\"status\"}\n")
            .await
            .unwrap();
        assert!(next_line(&mut client).await.starts_with("{\"error\":"));
        assert!(next_line(&mut client).await.contains("launch"));
        assert_eq!(
            next_line(&mut client).await,
            "{\"ok\":{\"command\":\"status\"}}\n"
        );
    }

    #[tokio::test]
    async fn events_follow_until_the_program_hangs_up() {
        let (mut client, events) = client();
        client.write_all(b"{\"command\":\"events\"}\n").await.unwrap();
        assert_eq!(next_line(&mut client).await, "{\"ok\":null}\n");
        events.send("{\"event\":\"one\"}".into()).unwrap();
        assert_eq!(next_line(&mut client).await, "{\"event\":\"one\"}\n");
        drop(client);
        // The subscription goes with the program.
        while events.receiver_count() > 0 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn an_endless_line_is_cut_off() {
        let (mut client, _events) = client();
        let _ = client.write_all(&vec![b'x'; 80 * 1024]).await;
        assert!(next_line(&mut client).await.starts_with("{\"error\":"));
    }
}
