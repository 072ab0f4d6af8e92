//! A line between the service and what it depends on, which can be made slow, silent or cut.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::Instant,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    Open,
    /// Each request is late by this much.
    Slow(Duration),
    /// Connections are closed, new ones refused.
    Cut,
    /// Nothing arrives, nothing is closed.
    Silent,
}

pub struct Relay {
    pub address: SocketAddr,
    line: watch::Sender<Line>,
}

impl Relay {
    /// Passes on to the first of `upstreams` that takes the connection.
    pub async fn start(upstreams: Vec<SocketAddr>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (line, state) = watch::channel(Line::Open);
        let upstreams = Arc::new(upstreams);
        tokio::spawn(async move {
            let mut turn = 0;
            while let Ok((client, _)) = listener.accept().await {
                turn += 1;
                tokio::spawn(serve(client, Arc::clone(&upstreams), turn, state.clone()));
            }
        });
        Self { address, line }
    }

    pub fn set(&self, line: Line) {
        self.line.send_replace(line);
    }
}

async fn serve(client: TcpStream, upstreams: Arc<Vec<SocketAddr>>, turn: usize, mut state: watch::Receiver<Line>) {
    let line = *state.borrow();
    if line == Line::Cut {
        return;
    }
    for offset in 0..upstreams.len() {
        if let Ok(server) = TcpStream::connect(upstreams[(turn + offset) % upstreams.len()]).await {
            let ((client_in, client_out), (server_in, server_out)) = (client.into_split(), server.into_split());
            let mut cut = state.clone();
            tokio::select! {
                () = pump(client_in, server_out, state.clone(), true) => {}
                () = pump(server_in, client_out, state, false) => {}
                _ = cut.wait_for(|line| *line == Line::Cut) => {}
            }
            return;
        }
    }
    let _ = state.changed().await;
}

async fn pump(mut from: impl AsyncReadExt + Unpin, mut to: impl AsyncWriteExt + Unpin, mut state: watch::Receiver<Line>, is_request: bool) {
    let (mut buffer, mut last) = (vec![0; 64 * 1024], Instant::now() - Duration::from_mins(1));
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let line = *state.borrow();
        if let Line::Slow(delay) = line
            && is_request
            && last.elapsed() > Duration::from_millis(200)
        {
            tokio::time::sleep(delay).await;
        }
        last = Instant::now();
        if state.wait_for(|line| *line != Line::Silent).await.is_err() || to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
