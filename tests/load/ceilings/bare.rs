//! A poem handler that returns the bytes of a file, and nothing else: the ceiling of the cached list.
//! `bare ADDRESS FILE`

use anyhow::Context;
use poem::{EndpointExt, Response, Route, Server, endpoint::make_sync, get, listener::TcpListener};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().context("address")?;
    let bytes = bytes::Bytes::from(std::fs::read(arguments.next().context("file")?)?);
    let answer = make_sync(move |_| Response::builder().content_type("application/json").body(bytes.clone()));
    Ok(Server::new(TcpListener::bind(address)).run(Route::new().at("/", get(answer)).boxed()).await?)
}
