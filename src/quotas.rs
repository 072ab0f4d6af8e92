//! How much an account, an SME or an office may have: anybody may register, and what one takes is not there for the others. Each
//! is counted in the transaction that adds to it, and two that add at once wait for each other. Some numbers are settings.

use sea_orm::{ConnectionTrait, Value};
use uuid::Uuid;

use crate::{
    config::Config,
    fault::{Fault, Outcome, Say, THROTTLED, say},
    identity::store::Target,
    platform::{
        clock::now,
        database::{Connection, hold_row, sql},
        jobs::JobKind,
    },
    work::{Core, Work},
};

/// Counted by `media_assets_kept`.
const BYTES_KEPT: &str = "select cast(coalesce(sum(bytes), 0) as bigint) as much from media_assets \
                          where owner_sme_id = ? and status <> 'deleting' and original_kept = 1";
/// Counted by `media_uploads_pending`.
const BYTES_ANNOUNCED: &str = "select cast(coalesce(sum(bytes), 0) as bigint) as much from media_uploads where sme_id = ? and media_id is null";
/// Material lines of a product, however they came.
const MOST_MATERIALS: i64 = 30;
/// Documents of an SME that count; what was rejected or revoked does not.
const MOST_DOCUMENTS: i64 = 200;
/// Open invitations of an SME or an agency.
const MOST_INVITATIONS: i64 = 100;
/// Pings that wait at one endpoint.
const MOST_PINGS: i64 = 20;
/// One SME's photos take at most one place of this many in the queue,
const SHARE_OF_QUEUE: i64 = 4;
/// and never fewer places than a person fills who sends the photos of a market day.
const LEAST_OF_QUEUE: i64 = 20;
/// Seconds after which somebody whose photos wait is asked to come back.
const COME_BACK: u64 = 30;

async fn count(connection: &Connection, text: &str, values: impl IntoIterator<Item = Value>) -> Outcome<i64> {
    let row = connection.query_one_raw(sql(connection, text, values)).await?;
    Ok(row.map(|row| row.try_get("", "much")).transpose()?.unwrap_or_default())
}

fn refused(reason: &'static str, most: i64, detail: Say) -> Fault {
    Fault::conflict(reason, detail).with("quota", most.into())
}

/// Refuses one more where there are `most` already.
fn within(count: i64, reason: &'static str, most: i64, detail: impl FnOnce() -> Say) -> Outcome<()> {
    if count < most { Ok(()) } else { Err(refused(reason, most, detail())) }
}

/// Has everybody else wait who adds to what an owner has, until this transaction ends: what is counted after it is all there is.
pub async fn hold(work: &Work, owner: Target) -> Outcome<()> {
    let (table, id) = match owner {
        Target::Sme(id) => ("smes", id),
        Target::Agency(id) => ("agencies", id),
    };
    Ok(hold_row(work.db(), table, id).await?)
}

/// Refuses one product more than an SME may have.
pub async fn product(work: &Work, sme: Uuid) -> Outcome<()> {
    let most = work.config().quota_products;
    hold(work, Target::Sme(sme)).await?;
    let text = "select count(*) as much from products where sme_id = ? and deleted_at is null";
    let there = count(work.db(), text, [sme.into()]).await?;
    within(there, "quota_products", most, || {
        say(
            format!("Satu IKM dapat memiliki paling banyak {most} produk, termasuk draf. Hapus yang tidak dipakai."),
            format!("An SME can have at most {most} products, drafts included. Delete those that are not used."),
        )
    })
}

/// Refuses one material line more than a product may have.
pub async fn material(work: &Work, product: Uuid) -> Outcome<()> {
    hold_row(work.db(), "products", product).await?;
    let text = "select count(*) as much from product_materials where product_id = ?";
    let there = count(work.db(), text, [product.into()]).await?;
    within(there, "quota_materials", MOST_MATERIALS, || {
        say(
            format!("Satu produk dapat memiliki paling banyak {MOST_MATERIALS} bahan."),
            format!("A product can have at most {MOST_MATERIALS} material lines."),
        )
    })
}

/// Refuses one legal document more than an SME may have.
pub async fn document(work: &Work, sme: Uuid) -> Outcome<()> {
    hold(work, Target::Sme(sme)).await?;
    let text = "select count(*) as much from legal_documents where sme_id = ? and status in ('uploaded', 'verified')";
    let there = count(work.db(), text, [sme.into()]).await?;
    within(there, "quota_documents", MOST_DOCUMENTS, || {
        say(
            format!("Satu IKM dapat memiliki paling banyak {MOST_DOCUMENTS} dokumen, selain yang ditolak atau dicabut. Tarik yang tidak diperlukan."),
            format!("An SME can have at most {MOST_DOCUMENTS} documents, besides those rejected or revoked. Take back those that are not needed."),
        )
    })
}

/// Refuses one open invitation more than an SME or an agency may have.
pub async fn invitation(work: &Work, target: Target) -> Outcome<()> {
    hold(work, target).await?;
    let (column, id) = target.column();
    let text =
        format!("select count(*) as much from invitations where {column} = ? and accepted_at is null and revoked_at is null and expires_at > ?");
    let there = count(work.db(), &text, [id.into(), now().into()]).await?;
    within(there, "quota_invitations", MOST_INVITATIONS, || {
        say(
            format!("Paling banyak {MOST_INVITATIONS} undangan dapat terbuka sekaligus; cabut yang tidak diperlukan."),
            format!("At most {MOST_INVITATIONS} invitations can be open at a time; revoke those that are not needed."),
        )
    })
}

/// Refuses one ping more than may wait at a webhook endpoint.
pub async fn ping(work: &Work, endpoint: Uuid) -> Outcome<()> {
    hold_row(work.db(), "webhook_endpoints", endpoint).await?;
    // A ping is about the endpoint itself.
    let text = "select count(*) as much from webhook_deliveries where endpoint_id = ? and subject_id = ? and status = 'waiting'";
    let there = count(work.db(), text, [endpoint.into(), endpoint.into()]).await?;
    within(there, "quota_pings", MOST_PINGS, || {
        say(
            format!("{MOST_PINGS} uji coba masih menunggu dikirim ke alamat ini."),
            format!("{MOST_PINGS} tests are still waiting to be delivered to this endpoint."),
        )
    })
}

/// Refuses one upload more, of `bytes`, than an SME may have begun.
pub async fn upload(work: &Work, sme: Uuid, bytes: i64) -> Outcome<()> {
    let most = work.config().quota_uploads;
    hold(work, Target::Sme(sme)).await?;
    let text = "select count(*) as much from media_uploads where sme_id = ? and media_id is null";
    if count(work.db(), text, [sme.into()]).await? >= most {
        let detail = say(
            format!(
                "Satu IKM dapat memulai paling banyak {most} unggahan yang belum selesai; selesaikan dahulu. Yang tidak diselesaikan hilang setelah sehari."
            ),
            format!("An SME can have begun at most {most} uploads; complete them first. Those that are not completed are gone after a day."),
        );
        return Err(refused("quota_uploads", most, detail));
    }
    let announced = count(work.db(), BYTES_ANNOUNCED, [sme.into()]).await?;
    require_turn(work.config(), work.db(), sme).await?;
    require_room(work.config(), work.db(), sme, announced.saturating_add(bytes)).await
}

/// Refuses a photo of `bytes` for which an SME has no room left, or of which too many wait.
pub async fn photo(work: &Work, sme: Uuid, bytes: i64) -> Outcome<()> {
    hold(work, Target::Sme(sme)).await?;
    require_turn(work.config(), work.db(), sme).await?;
    require_room(work.config(), work.db(), sme, bytes).await
}

/// The same before the first byte has come, so that nobody sends in vain; it is [`photo`] that holds.
pub async fn any_photo(core: &Core, sme: Uuid) -> Outcome<()> {
    require_turn(&core.config, core.database.reader(), sme).await?;
    require_room(&core.config, core.database.reader(), sme, 1).await
}

/// One that sends hundreds of photos at once keeps those of the others waiting no longer than its share of the queue does.
async fn require_turn(config: &Config, connection: &Connection, sme: Uuid) -> Outcome<()> {
    let most = (config.image_queue / SHARE_OF_QUEUE).max(LEAST_OF_QUEUE);
    let text =
        "select count(*) as much from jobs j join media_assets a on a.id = j.subject_id where j.kind = ? and j.dead = 0 and a.owner_sme_id = ?";
    let waiting = count(connection, text, [JobKind::ProcessMedia.name().into(), sme.into()]).await?;
    if waiting < most {
        return Ok(());
    }
    let detail = say(
        format!("{waiting} foto IKM ini masih menunggu diproses; coba lagi sebentar lagi."),
        format!("{waiting} photos of this SME are waiting to be processed; try again in a moment."),
    );
    Err(Fault::new(&THROTTLED).with("reason", "quota_queue".into()).with("quota", most.into()).retry_after(COME_BACK).detail(detail))
}

async fn require_room(config: &Config, connection: &Connection, sme: Uuid, more: i64) -> Outcome<()> {
    let most = config.quota_bytes;
    if count(connection, BYTES_KEPT, [sme.into()]).await?.saturating_add(more) <= most {
        return Ok(());
    }
    let mib = most >> 20;
    let detail = say(
        format!("Foto satu IKM paling banyak {mib} MiB ({most} bita). Hapus yang tidak dipakai."),
        format!("The photos of an SME take at most {mib} MiB ({most} bytes). Delete those that are not used."),
    );
    Err(refused("quota_bytes", most, detail))
}

/// Refuses one SME more that waits for verification than an account may have.
pub async fn pending_sme(work: &Work, user: Uuid) -> Outcome<()> {
    let most = work.config().quota_pending_smes;
    hold_row(work.db(), "users", user).await?;
    let text = "select count(*) as much from sme_memberships m join smes s on s.id = m.sme_id \
                where m.user_id = ? and m.role = 'owner' and s.status = 'pending'";
    let there = count(work.db(), text, [user.into()]).await?;
    within(there, "quota_pending_smes", most, || {
        say(
            format!("Satu akun dapat memiliki paling banyak {most} IKM yang menunggu verifikasi; tunggu keputusan dinas."),
            format!("An account can have at most {most} SMEs that wait for verification; wait for the office to decide."),
        )
    })
}
