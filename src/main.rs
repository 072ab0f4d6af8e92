//! The command line of Etalase.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use etalase::{
    app::App,
    backup,
    config::{Config, LogFormat},
    demo,
    http::patience::Patient,
    identity,
    media::{fsck, isolation},
    platform::{database::Database, jobs, metrics, vault::Vault},
    reference, routes, secrets, storefront,
    values::Language,
};
use poem::{
    Server,
    listener::{Acceptor, Listener, TcpListener},
};
use tracing_subscriber::EnvFilter;

/// The shop window of a trade office and its mentored small businesses.
///
/// Without a command it serves on 127.0.0.1:8080 with an embedded database and bucket in ./data, and with demo
/// data unless --no-demo is given.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(flatten)]
    settings: Settings,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Args)]
struct Settings {
    /// A TOML file with settings; ETALASE_* variables and flags go before it.
    #[arg(long, global = true, env = "ETALASE_CONFIG")]
    config: Option<PathBuf>,
    /// Folder of the embedded database and bucket.
    #[arg(long, global = true)]
    data_dir: Option<String>,
    /// Address to listen on.
    #[arg(long, global = true)]
    listen: Option<String>,
    /// sqlite:… or postgres:…
    #[arg(long, global = true)]
    database_url: Option<String>,
    /// Neither demo data nor demo accounts.
    #[arg(long, global = true, conflicts_with = "demo")]
    no_demo: bool,
    /// Demo data and accounts, also on PostgreSQL.
    #[arg(long, global = true)]
    demo: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Serve (the default).
    Serve,
    /// The schema of the database.
    Migrate {
        #[command(subcommand)]
        what: Migrate,
    },
    /// Write the OpenAPI document to standard output.
    Openapi,
    /// Put the demo data in, once, and print its accounts.
    ///
    /// Needs --demo, so that nobody makes known accounts by accident.
    Seed,
    /// People who may sign in.
    User {
        #[command(subcommand)]
        what: User,
    },
    /// Compare database and bucket; report, and with --fix repair.
    Fsck {
        #[arg(long)]
        fix: bool,
    },
    /// Copy everything, consistently, to a folder, while the service runs.
    ///
    /// The folder holds any number of snapshots and each photo once; a backup that was cut off goes on where it was.
    Backup {
        /// The folder.
        #[arg(long)]
        to: PathBuf,
        /// Keep this many of the newest snapshots, and remove older ones.
        #[arg(long)]
        keep: Option<usize>,
        /// Put the key of second factors and webhooks in, too: then the folder alone restores them, and gives them away.
        #[arg(long)]
        include_key: bool,
    },
    /// Read a backup again, every row and every photo, and compare it with what was written down.
    Verify {
        /// The folder.
        #[arg(long)]
        from: PathBuf,
        /// By default the newest.
        #[arg(long)]
        snapshot: Option<String>,
    },
    /// Fill an empty system, on SQLite or PostgreSQL, with a backup from either.
    Restore {
        /// The folder.
        #[arg(long)]
        from: PathBuf,
        /// By default the newest.
        #[arg(long)]
        snapshot: Option<String>,
    },
    /// Secrets of second factors and webhooks, which are kept encrypted.
    Secrets {
        #[command(subcommand)]
        what: Secrets,
    },
    /// Work in the background: what waits, and what was set aside after too many attempts.
    Jobs {
        #[command(subcommand)]
        what: Jobs,
    },
    /// What the service runs to decode photos.
    #[command(hide = true)]
    ImageWorker,
}

#[derive(Subcommand)]
enum Migrate {
    /// Bring the schema up to this program's.
    Up,
    /// Say whether there is something to do.
    Status,
}

#[derive(Subcommand)]
enum Secrets {
    /// Name what can't be read with the key that is here.
    Check,
    /// Encrypt everything with another key: a new one in place of secret.key, or the first one of the setting secret_key.
    ///
    /// Where the key is a setting, restart every replica with `NEW,OLD` first, and with `NEW` alone after it.
    Rotate,
    /// Go on with the key that is here where the one before is lost.
    ///
    /// Names each second factor and webhook that has to be renewed, and turns those webhooks off.
    Forget,
}

#[derive(Subcommand)]
enum Jobs {
    /// How many of each kind wait and are set aside, with the last error of those.
    List,
    /// Try again what was set aside.
    Retry,
}

#[derive(Subcommand)]
enum User {
    /// Create a person; the password is printed.
    Create {
        #[arg(long)]
        email: String,
        #[arg(long)]
        name: String,
        /// May run the platform: create agencies, invite their heads.
        #[arg(long)]
        operator: bool,
    },
    /// Set a new random password, print it, and end all sessions.
    ResetPassword {
        #[arg(long)]
        email: String,
    },
    /// Keep a person out: ends their sessions, and keys, invitations and webhooks that they made.
    Suspend {
        #[arg(long)]
        email: String,
    },
    /// Let a suspended person sign in again.
    Reinstate {
        #[arg(long)]
        email: String,
    },
    /// Remove the second factor of a person who lost phone and recovery codes.
    ResetSecondFactor {
        #[arg(long)]
        email: String,
    },
}

/// A connection without a byte either way is closed after this time, longer than proxies keep theirs.
const IDLE: Duration = Duration::from_secs(75);
/// How long requests and jobs in progress may take to end when the service is told to stop.
const DRAIN: Duration = Duration::from_secs(20);

impl Settings {
    fn load(&self) -> anyhow::Result<Config> {
        let mut overrides = Vec::new();
        for (key, value) in [("data_dir", &self.data_dir), ("listen", &self.listen), ("database_url", &self.database_url)] {
            overrides.extend(value.clone().map(|value| (key, value)));
        }
        if self.no_demo || self.demo {
            overrides.push(("demo", self.demo.to_string()));
        }
        Config::load(self.config.as_deref(), &overrides)
    }
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    if matches!(cli.command, Some(Command::ImageWorker)) {
        return isolation::serve();
    }
    tokio::runtime::Runtime::new()?.block_on(run(cli))
}

async fn run(cli: Cli) -> anyhow::Result<()> {
    if matches!(cli.command, Some(Command::Openapi)) {
        println!("{}", serde_json::to_string_pretty(&routes::document())?);
        return Ok(());
    }
    // Whatever the umask of who starts it: files of the database, the bucket and backups are for their owner alone.
    rustix::process::umask(rustix::fs::Mode::from_bits_truncate(0o077));
    let config = cli.settings.load()?;
    log(config.log_format);
    match cli.command.unwrap_or(Command::Serve) {
        Command::Serve => serve(config).await,
        Command::Openapi | Command::ImageWorker => Ok(()),
        Command::Migrate { what } => migrate(&config, &what).await,
        Command::Seed => seed(config, cli.settings.demo).await,
        Command::User { what } => user(config, what).await,
        Command::Fsck { fix } => check(config, fix).await,
        Command::Backup { to, keep, include_key } => back_up(&config, &to, keep, include_key).await,
        Command::Verify { from, snapshot } => verify(&from, snapshot.as_deref()),
        Command::Restore { from, snapshot } => restore(config, &from, snapshot.as_deref()).await,
        Command::Secrets { what } => secrets(config, &what).await,
        Command::Jobs { what } => list_jobs(config, &what).await,
    }
}

fn log(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn,s3s=warn,poem=warn,sea_orm_migration=warn"));
    // A log that can't be written, such as on a full disk, must not panic who writes it.
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).log_internal_errors(false);
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
}

async fn serve(config: Config) -> anyhow::Result<()> {
    tracing::info!(?config, "starting");
    if config.metrics_listen.is_some() {
        metrics::install()?;
    }
    let app = App::start(config).await?;
    app.recover().await?;
    if let Some(listen) = app.config.metrics_listen {
        let acceptor = TcpListener::bind(listen).into_acceptor().await.with_context(|| format!("listening on {listen}"))?;
        for address in acceptor.local_addr() {
            println!("Figures:           {address}/metrics");
        }
        tokio::spawn(Server::new_with_acceptor(acceptor).run(routes::metrics(&app)));
    }
    let background = app.spawn_workers();
    let alone = app.database.alone().await?;
    reference::seed(&app).await?;
    let accounts = if app.config.demo() { demo::seed(&app).await? } else { Vec::new() };
    storefront::service::refresh_outdated(&app).await?;
    alone.end().await;
    // The first visitor need not wait for the index.
    app.catalogue.ask(&app, |_| ()).await?;
    // Only now: a proxy asks another replica while connections are refused, and waits while they are not.
    let listen = app.config.listen;
    let acceptor = TcpListener::bind(listen).into_acceptor().await.with_context(|| format!("listening on {listen}"))?;
    let address = acceptor.local_addr().first().and_then(|address| address.as_socket_addr().copied()).context("an address")?;
    println!("Etalase listens on http://{address}");
    println!("Documentation:     http://{address}/docs");
    for account in &accounts {
        println!("Demo account:      {} / {}", account.email, account.password.as_deref().unwrap_or("(password of the first start)"));
    }
    println!("Ready. Stop with Ctrl-C.");
    let server = Server::new_with_acceptor(Patient::new(acceptor)).idle_timeout(IDLE);
    server.run_with_graceful_shutdown(routes::routes(&app), stop_signal(), Some(DRAIN)).await.context("serving")?;
    background.stop(DRAIN).await;
    tracing::info!("stopped");
    Ok(())
}

/// Ends on Ctrl-C or SIGTERM.
async fn stop_signal() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    if let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        tokio::select! {
            _ = interrupt => {}
            _ = terminate.recv() => {}
        }
        return;
    }
    let _ = interrupt.await;
}

async fn migrate(config: &Config, what: &Migrate) -> anyhow::Result<()> {
    std::fs::create_dir_all(&config.data_dir)?;
    let database = Database::connect(config).await?;
    match what {
        Migrate::Up => {
            database.migrate().await?;
            println!("The schema is up to date.");
        }
        Migrate::Status => println!("{} step(s) to be applied.", database.pending_migrations().await?),
    }
    Ok(())
}

async fn seed(config: Config, asked: bool) -> anyhow::Result<()> {
    anyhow::ensure!(asked, "say `etalase seed --demo`: it makes demo accounts");
    let app = App::start(config).await?;
    reference::seed(&app).await?;
    let background = app.spawn_workers();
    for account in demo::seed(&app).await? {
        println!("{} / {}", account.email, account.password.as_deref().unwrap_or("(password of the first start)"));
    }
    background.stop(DRAIN).await;
    Ok(())
}

async fn user(config: Config, what: User) -> anyhow::Result<()> {
    let app = App::start(config).await?;
    let (email, password) = match what {
        User::Create { email, name, operator } => {
            let password = identity::service::random_password();
            let new = identity::service::NewUser {
                email: email.clone(),
                display_name: name,
                password: password.clone(),
                locale: Language::Id,
                is_operator: operator,
            };
            identity::service::create_account(&app, new).await?;
            (email, password)
        }
        User::ResetPassword { email } => {
            let password = identity::service::reset_password(&app, &email).await?;
            (email, password)
        }
        User::Suspend { email } => {
            identity::service::set_suspended(&app, &email, true).await?;
            println!("{email} is signed out everywhere and can't sign in; keys, invitations and webhooks that they made have ended.");
            return Ok(());
        }
        User::Reinstate { email } => {
            identity::service::set_suspended(&app, &email, false).await?;
            println!("{email} can sign in again.");
            return Ok(());
        }
        User::ResetSecondFactor { email } => {
            identity::service::reset_second_factor(&app, &email).await?;
            println!("{email} signs in without a code until a second factor is set up again.");
            return Ok(());
        }
    };
    println!("{email} / {password}");
    Ok(())
}

async fn check(config: Config, fix: bool) -> anyhow::Result<()> {
    let app = App::start(config).await?;
    let report = fsck::run(&app, fix).await?;
    for key in &report.orphans {
        println!("orphan object {key}{}", if fix { ": deleted" } else { "" });
    }
    for id in &report.incomplete {
        println!("photo {id} lacks objects{}", if fix { ": to be made again at the next start" } else { "" });
    }
    if report.is_clean() {
        println!("Database and bucket agree.");
    } else if !fix {
        anyhow::bail!("{} difference(s); run with --fix to repair", report.orphans.len() + report.incomplete.len());
    }
    Ok(())
}

async fn back_up(config: &Config, to: &Path, keep: Option<usize>, include_key: bool) -> anyhow::Result<()> {
    let made = backup::backup(config, to, keep, include_key).await?;
    let (manifest, objects) = (&made.manifest, &made.manifest.objects);
    let rows: u64 = manifest.tables.iter().map(|table| table.rows).sum();
    println!("Snapshot {}: {rows} rows, {} objects of {} bytes, {} of them copied now.", made.snapshot, objects.count, objects.bytes, made.copied);
    for old in &made.removed {
        println!("Removed snapshot {old}.");
    }
    fail_on(&objects.problems)
}

fn verify(from: &Path, snapshot: Option<&str>) -> anyhow::Result<()> {
    let (snapshot, found) = backup::verify(from, snapshot)?;
    println!("Snapshot {snapshot}: {} rows and {} objects read.", found.rows, found.objects);
    fail_on(&found.problems)
}

async fn restore(config: Config, from: &Path, snapshot: Option<&str>) -> anyhow::Result<()> {
    let restored = backup::restore(&config, from, snapshot).await?;
    println!("Snapshot {}: {} rows restored, {} objects put into the bucket.", restored.snapshot, restored.rows, restored.objects);
    for what in &restored.renew {
        println!("To be renewed, since its key is not here: {what}");
    }
    fail_on(&restored.problems)?;
    check(config, false).await
}

fn fail_on(problems: &[String]) -> anyhow::Result<()> {
    for problem in problems {
        println!("{problem}");
    }
    anyhow::ensure!(problems.is_empty(), "{} problem(s)", problems.len());
    Ok(())
}

async fn secrets(config: Config, what: &Secrets) -> anyhow::Result<()> {
    let database = Database::connect(&config).await?;
    let vault = Vault::open(&config)?;
    let lost = match what {
        Secrets::Check => secrets::lost(database.reader(), &vault).await?,
        Secrets::Rotate => {
            vault.agree(&database).await?;
            let rotated = secrets::rotate(&database, &vault).await?;
            println!("{} secret(s) were encrypted with the new key.", rotated.encrypted);
            rotated.lost
        }
        Secrets::Forget => {
            let lost = secrets::forget(&database, &vault).await?;
            println!("The key that is here is in use now.");
            lost
        }
    };
    for what in &lost {
        println!("To be renewed: {what}");
    }
    anyhow::ensure!(!matches!(what, Secrets::Check) || lost.is_empty(), "{} secret(s) can't be read", lost.len());
    Ok(())
}

async fn list_jobs(config: Config, what: &Jobs) -> anyhow::Result<()> {
    let database = Database::connect(&config).await?;
    match what {
        Jobs::List => {
            for queue in jobs::queues(database.reader()).await? {
                println!("{}: {} due, {} later, {} set aside", queue.kind, queue.due, queue.later, queue.dead);
            }
            for dead in jobs::set_aside(database.reader()).await? {
                println!("{} {} of {}: {}", dead.kind, dead.subject_id, dead.created_at.to_rfc3339(), dead.last_error.unwrap_or_default());
            }
        }
        Jobs::Retry => println!("{} job(s) will be tried again.", jobs::retry(&database).await?),
    }
    Ok(())
}
