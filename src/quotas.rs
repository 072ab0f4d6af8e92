//! How much an account or an SME may have, as the settings say: anybody may register, and what one takes is not there for
//! the others. Each is counted in the transaction that adds to it, and two that add at once wait for each other.

use sea_orm::{ConnectionTrait, Value};
use uuid::Uuid;

use crate::{
    config::Config,
    fault::{Fault, Outcome, say},
    platform::database::{Connection, hold_row, sql},
    work::{Core, Work},
};

/// Counted by `media_assets_kept`.
const BYTES_KEPT: &str = "select cast(coalesce(sum(bytes), 0) as bigint) as much from media_assets \
                          where owner_sme_id = ? and status <> 'deleting' and original_kept = 1";
/// Counted by `media_uploads_pending`.
const BYTES_ANNOUNCED: &str = "select cast(coalesce(sum(bytes), 0) as bigint) as much from media_uploads where sme_id = ? and media_id is null";

async fn count(connection: &Connection, text: &str, of: Uuid) -> Outcome<i64> {
    let row = connection.query_one_raw(sql(connection, text, [Value::from(of)])).await?;
    Ok(row.map(|row| row.try_get("", "much")).transpose()?.unwrap_or_default())
}

/// Refuses one product more than an SME may have.
pub async fn product(work: &Work, sme: Uuid) -> Outcome<()> {
    let most = work.config().quota_products;
    hold_row(work.db(), "smes", sme).await?;
    let text = "select count(*) as much from products where sme_id = ? and deleted_at is null";
    if count(work.db(), text, sme).await? < most {
        return Ok(());
    }
    let detail = say(
        format!("Satu IKM dapat memiliki paling banyak {most} produk, termasuk draf. Hapus yang tidak dipakai."),
        format!("An SME can have at most {most} products, drafts included. Delete those that are not used."),
    );
    Err(Fault::conflict("quota_products", detail).with("quota", most.into()))
}

/// Refuses one upload more, of `bytes`, than an SME may have begun.
pub async fn upload(work: &Work, sme: Uuid, bytes: i64) -> Outcome<()> {
    let most = work.config().quota_uploads;
    hold_row(work.db(), "smes", sme).await?;
    let text = "select count(*) as much from media_uploads where sme_id = ? and media_id is null";
    if count(work.db(), text, sme).await? >= most {
        let detail = say(
            format!(
                "Satu IKM dapat memulai paling banyak {most} unggahan yang belum selesai; selesaikan dahulu. Yang tidak diselesaikan hilang setelah sehari."
            ),
            format!("An SME can have begun at most {most} uploads; complete them first. Those that are not completed are gone after a day."),
        );
        return Err(Fault::conflict("quota_uploads", detail).with("quota", most.into()));
    }
    let announced = count(work.db(), BYTES_ANNOUNCED, sme).await?;
    require_room(work.config(), work.db(), sme, announced.saturating_add(bytes)).await
}

/// Refuses a photo of `bytes` for which an SME has no room left.
pub async fn photo(work: &Work, sme: Uuid, bytes: i64) -> Outcome<()> {
    hold_row(work.db(), "smes", sme).await?;
    require_room(work.config(), work.db(), sme, bytes).await
}

/// The same before the first byte has come, so that nobody sends in vain; it is [`photo`] that holds.
pub async fn any_photo(core: &Core, sme: Uuid) -> Outcome<()> {
    require_room(&core.config, core.database.reader(), sme, 1).await
}

async fn require_room(config: &Config, connection: &Connection, sme: Uuid, more: i64) -> Outcome<()> {
    let most = config.quota_bytes;
    if count(connection, BYTES_KEPT, sme).await?.saturating_add(more) <= most {
        return Ok(());
    }
    let mib = most >> 20;
    let detail = say(
        format!("Foto satu IKM paling banyak {mib} MiB ({most} bita). Hapus yang tidak dipakai."),
        format!("The photos of an SME take at most {mib} MiB ({most} bytes). Delete those that are not used."),
    );
    Err(Fault::conflict("quota_bytes", detail).with("quota", most.into()))
}

/// Refuses one SME more that waits for verification than an account may have.
pub async fn pending_sme(work: &Work, user: Uuid) -> Outcome<()> {
    let most = work.config().quota_pending_smes;
    hold_row(work.db(), "users", user).await?;
    let text = "select count(*) as much from sme_memberships m join smes s on s.id = m.sme_id \
                where m.user_id = ? and m.role = 'owner' and s.status = 'pending'";
    if count(work.db(), text, user).await? < most {
        return Ok(());
    }
    let detail = say(
        format!("Satu akun dapat memiliki paling banyak {most} IKM yang menunggu verifikasi; tunggu keputusan dinas."),
        format!("An account can have at most {most} SMEs that wait for verification; wait for the office to decide."),
    );
    Err(Fault::conflict("quota_pending_smes", detail).with("quota", most.into()))
}
