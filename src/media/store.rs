//! SQL of photos, renditions and their use by products.

use sea_orm::{ActiveModelTrait, ConnectionTrait, EntityTrait, FromQueryResult, IntoActiveModel};
use uuid::Uuid;

use super::model::{AttachedPhoto, Format, MediaStatus, Photo, Rendition, SimilarPhoto, StoredObject, advise};
use crate::{
    fault::{Fault, Outcome},
    platform::{
        clock::now,
        database::{Connection, select, sql},
    },
    values::Localized,
};

pub mod asset {
    use sea_orm::entity::prelude::*;

    use crate::media::model::MediaStatus;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "media_assets")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub owner_sme_id: Uuid,
        pub sha256: String,
        pub original_key: String,
        pub mime: String,
        pub bytes: i64,
        pub width: Option<i64>,
        pub height: Option<i64>,
        pub status: MediaStatus,
        pub failure_code: Option<String>,
        pub placeholder: Option<String>,
        pub dominant_color: Option<String>,
        #[sea_orm(column_type = "JsonBinary", nullable)]
        pub quality: Option<Json>,
        pub original_kept: i64,
        pub created_at: DateTimeUtc,
        pub updated_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod upload {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "media_uploads")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub sme_id: Uuid,
        pub mime: String,
        pub bytes: i64,
        pub sha256: String,
        /// The photo it became.
        pub media_id: Option<Uuid>,
        pub expires_at: DateTimeUtc,
        pub created_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub async fn upload(connection: &Connection, id: Uuid) -> Outcome<upload::Model> {
    find_upload(connection, id).await?.ok_or_else(Fault::not_found)
}

pub async fn find_upload(connection: &Connection, id: Uuid) -> Outcome<Option<upload::Model>> {
    Ok(upload::Entity::find_by_id(id).one(connection).await?)
}

pub async fn insert_upload(connection: &Connection, upload: upload::Model) -> Outcome<()> {
    upload.into_active_model().insert(connection).await?;
    Ok(())
}

/// Notes which photo an upload became.
pub async fn complete_upload(connection: &Connection, id: Uuid, media: Uuid) -> Outcome<()> {
    let text = "update media_uploads set media_id = ? where id = ?";
    connection.execute_raw(sql(connection, text, [media.into(), id.into()])).await?;
    Ok(())
}

pub async fn forget_upload(connection: &Connection, id: Uuid) -> Outcome<()> {
    connection.execute_raw(sql(connection, "delete from media_uploads where id = ?", [id.into()])).await?;
    Ok(())
}

pub async fn insert(connection: &Connection, asset: asset::Model) -> Outcome<()> {
    asset.into_active_model().insert(connection).await?;
    Ok(())
}

pub async fn by_id(connection: &Connection, id: Uuid) -> Outcome<Option<asset::Model>> {
    Ok(asset::Entity::find_by_id(id).one(connection).await?)
}

/// Writes every column but the key.
pub async fn update(connection: &Connection, mut asset: asset::Model) -> Outcome<()> {
    asset.updated_at = now();
    asset.into_active_model().reset_all().update(connection).await?;
    Ok(())
}

/// The SME's photo with this content, unless it failed or is being deleted.
pub async fn by_content(connection: &Connection, sme: Uuid, sha256: &str) -> Outcome<Option<Uuid>> {
    let text = "select id from media_assets where owner_sme_id = ? and sha256 = ? and status <> 'deleting'";
    let row = connection.query_one_raw(sql(connection, text, [sme.into(), sha256.into()])).await?;
    Ok(row.map(|row| row.try_get("", "id")).transpose()?)
}

#[derive(FromQueryResult)]
struct PhotoRow {
    id: Uuid,
    status: MediaStatus,
    failure_code: Option<String>,
    width: Option<i64>,
    height: Option<i64>,
    placeholder: Option<String>,
    dominant_color: Option<String>,
    quality: Option<serde_json::Value>,
    format: Option<Format>,
    r_width: Option<i64>,
    r_height: Option<i64>,
    r_bytes: Option<i64>,
    object_key: Option<String>,
}

impl PhotoRow {
    fn rendition(&self) -> Option<Rendition> {
        Some(Rendition {
            format: self.format?,
            width: self.r_width?,
            height: self.r_height?,
            bytes: self.r_bytes?,
            url: format!("/media/{}", self.object_key.as_ref()?),
        })
    }

    fn photo(self) -> Photo {
        let quality = self.quality.and_then(|quality| serde_json::from_value(quality).ok());
        let measured = self.width.zip(self.height).zip(quality);
        Photo {
            renditions: Vec::new(),
            advice: measured.map(|((width, height), quality)| advise(width, height, quality)).unwrap_or_default(),
            id: self.id,
            status: self.status,
            failure: self.failure_code,
            width: self.width,
            height: self.height,
            placeholder: self.placeholder,
            dominant_color: self.dominant_color,
        }
    }
}

const PHOTO: &str = "a.id, a.status, a.failure_code, a.width, a.height, a.placeholder, a.dominant_color, a.quality, r.format, \
                     r.width as r_width, r.height as r_height, r.bytes as r_bytes, r.object_key";

/// A photo with its renditions, in one statement.
pub async fn photo(connection: &Connection, id: Uuid) -> Outcome<Photo> {
    let text = format!(
        "select {PHOTO} from media_assets a left join media_renditions r on r.asset_id = a.id \
         where a.id = ? and a.status <> 'deleting' order by r.format desc, r.width"
    );
    let mut photo: Option<Photo> = None;
    for row in connection.query_all_raw(sql(connection, &text, [id.into()])).await? {
        let row = PhotoRow::from_query_result(&row, "")?;
        let rendition = row.rendition();
        photo.get_or_insert_with(|| row.photo()).renditions.extend(rendition);
    }
    photo.ok_or_else(Fault::not_found)
}

/// The photos of a product in order, with renditions, in one statement.
pub async fn attached(connection: &Connection, product: Uuid) -> Outcome<Vec<AttachedPhoto>> {
    let text = format!(
        "select {PHOTO}, i.id as image_id, i.position, i.is_primary, i.focal_x, i.focal_y, i.alt \
         from product_images i join media_assets a on a.id = i.asset_id left join media_renditions r on r.asset_id = a.id \
         where i.product_id = ? order by i.position, i.id, r.format desc, r.width"
    );
    let mut photos: Vec<AttachedPhoto> = Vec::new();
    for row in connection.query_all_raw(sql(connection, &text, [product.into()])).await? {
        let photo = PhotoRow::from_query_result(&row, "")?;
        let (rendition, id) = (photo.rendition(), row.try_get("", "image_id")?);
        if photos.last().is_none_or(|last| last.id != id) {
            photos.push(AttachedPhoto {
                id,
                position: row.try_get("", "position")?,
                is_primary: row.try_get::<i64>("", "is_primary")? == 1,
                focal_x_bp: row.try_get("", "focal_x")?,
                focal_y_bp: row.try_get("", "focal_y")?,
                alt: row.try_get::<Localized>("", "alt")?,
                photo: photo.photo(),
            });
        }
        if let Some(last) = photos.last_mut() {
            last.photo.renditions.extend(rendition);
        }
    }
    Ok(photos)
}

/// A use of a photo by a product.
pub struct Attachment {
    pub sme: Uuid,
    pub product: Uuid,
    pub asset: Uuid,
    pub position: i64,
    pub is_primary: bool,
    pub alt: Localized,
}

pub async fn attach(connection: &Connection, new: Attachment) -> Outcome<()> {
    let text = "insert into product_images (id, sme_id, product_id, asset_id, position, is_primary, alt) values (?, ?, ?, ?, ?, ?, ?)";
    let alt = serde_json::to_value(&new.alt).map_err(Fault::internal)?;
    let values = [
        Uuid::now_v7().into(),
        new.sme.into(),
        new.product.into(),
        new.asset.into(),
        new.position.into(),
        i64::from(new.is_primary).into(),
        alt.into(),
    ];
    connection.execute_raw(sql(connection, text, values)).await?;
    Ok(())
}

/// Leaves a product without a primary photo, so that another can take that place.
pub async fn clear_primary(connection: &Connection, product: Uuid) -> Outcome<()> {
    let text = "update product_images set is_primary = 0 where product_id = ? and is_primary = 1";
    connection.execute_raw(sql(connection, text, [product.into()])).await?;
    Ok(())
}

/// Writes what can change of an attached photo.
pub async fn update_attachment(connection: &Connection, image: &AttachedPhoto) -> Outcome<()> {
    let text = "update product_images set position = ?, is_primary = ?, focal_x = ?, focal_y = ?, alt = ? where id = ?";
    let alt = serde_json::to_value(&image.alt).map_err(Fault::internal)?;
    let values =
        [image.position.into(), i64::from(image.is_primary).into(), image.focal_x_bp.into(), image.focal_y_bp.into(), alt.into(), image.id.into()];
    connection.execute_raw(sql(connection, text, values)).await?;
    Ok(())
}

pub async fn detach(connection: &Connection, image: Uuid) -> Outcome<()> {
    connection.execute_raw(sql(connection, "delete from product_images where id = ?", [image.into()])).await?;
    Ok(())
}

/// Published products that show a photo.
pub async fn users_of(connection: &Connection, asset: Uuid) -> Outcome<Vec<Uuid>> {
    let text = "select i.product_id from product_images i join products p on p.id = i.product_id where i.asset_id = ? and p.status = 'published'";
    let rows = connection.query_all_raw(sql(connection, text, [asset.into()])).await?;
    Ok(rows.iter().map(|row| row.try_get("", "product_id")).collect::<Result<_, _>>()?)
}

/// A rendition to be recorded.
pub struct NewRendition {
    pub format: Format,
    pub width: i64,
    pub height: i64,
    pub bytes: i64,
    pub key: String,
}

/// Records the renditions of an asset in place of earlier ones.
pub async fn replace_renditions(connection: &Connection, asset: Uuid, renditions: &[NewRendition]) -> Outcome<()> {
    connection.execute_raw(sql(connection, "delete from media_renditions where asset_id = ?", [asset.into()])).await?;
    for new in renditions {
        let text = "insert into media_renditions (asset_id, format, width, height, bytes, object_key) values (?, ?, ?, ?, ?, ?)";
        let values = [
            asset.into(),
            sea_orm::ActiveEnum::into_value(new.format).into(),
            new.width.into(),
            new.height.into(),
            new.bytes.into(),
            new.key.clone().into(),
        ];
        connection.execute_raw(sql(connection, text, values)).await?;
    }
    Ok(())
}

/// Bits of a band of a fingerprint.
const BAND: u32 = 16;
/// Photos that differ in more bits are not called similar.
const MOST_DISTANCE: u32 = 8;

/// Records by what copies of an asset are recognised, in place of what was known.
pub async fn replace_fingerprint(connection: &Connection, asset: Uuid, fingerprint: Option<u64>) -> Outcome<()> {
    connection.execute_raw(sql(connection, "delete from media_fingerprints where asset_id = ?", [asset.into()])).await?;
    let Some(fingerprint) = fingerprint else { return Ok(()) };
    for band in 0..64 / BAND {
        let bits = (fingerprint >> (band * BAND)) & 0xffff;
        let text = "insert into media_fingerprints (asset_id, band, bits, fingerprint) values (?, ?, ?, ?)";
        let values = [asset.into(), i64::from(band).into(), (bits as i64).into(), fingerprint.cast_signed().into()];
        connection.execute_raw(sql(connection, text, values)).await?;
    }
    Ok(())
}

/// Photos of other SMEs that look like those of a product, the nearest first, in one statement.
pub async fn similar_to_product(connection: &Connection, product: Uuid) -> Outcome<Vec<SimilarPhoto>> {
    let text = "select distinct i.asset_id as media_id, a.sha256, f.fingerprint, b.id as other_media_id, b.sha256 as other_sha256, \
                g.fingerprint as other_fingerprint, s.id as other_sme_id, s.brand_name as other_brand_name from product_images i \
                join media_assets a on a.id = i.asset_id join media_fingerprints f on f.asset_id = i.asset_id \
                join media_fingerprints g on g.band = f.band and g.bits = f.bits join media_assets b on b.id = g.asset_id \
                join smes s on s.id = b.owner_sme_id \
                where i.product_id = ? and b.owner_sme_id <> a.owner_sme_id and b.status = 'ready' limit 500";
    let mut found = Vec::new();
    for row in connection.query_all_raw(sql(connection, text, [product.into()])).await? {
        let bits = |name| row.try_get::<i64>("", name).map(i64::cast_unsigned);
        let distance = (bits("fingerprint")? ^ bits("other_fingerprint")?).count_ones();
        if distance <= MOST_DISTANCE {
            found.push(SimilarPhoto {
                media_id: row.try_get("", "media_id")?,
                other_media_id: row.try_get("", "other_media_id")?,
                other_sme_id: row.try_get("", "other_sme_id")?,
                other_brand_name: row.try_get("", "other_brand_name")?,
                is_identical: row.try_get::<String>("", "sha256")? == row.try_get::<String>("", "other_sha256")?,
                distance,
            });
        }
    }
    found.sort_unstable_by_key(|photo| (photo.distance, photo.other_media_id));
    Ok(found)
}

/// Forgets an asset and its renditions.
pub async fn forget(connection: &Connection, asset: Uuid) -> Outcome<()> {
    replace_fingerprint(connection, asset, None).await?;
    connection.execute_raw(sql(connection, "delete from media_renditions where asset_id = ?", [asset.into()])).await?;
    connection.execute_raw(sql(connection, "delete from media_assets where id = ?", [asset.into()])).await?;
    Ok(())
}

#[derive(FromQueryResult)]
struct ObjectRow {
    asset_id: Uuid,
    object_key: String,
    format: Option<Format>,
    mime: String,
    bytes: i64,
    sha256: String,
}

/// What the bucket has to hold of `most` assets after `after`, in order of their ids, with each object's asset.
pub async fn stored_objects(connection: &Connection, after: Uuid, most: u64) -> Outcome<Vec<(Uuid, StoredObject)>> {
    let text = "with page as (select * from media_assets where id > ? order by id limit ?) \
                select id as asset_id, original_key as object_key, null as format, mime, bytes, sha256 from page \
                where original_kept = 1 and status <> 'deleting' \
                union all select r.asset_id, r.object_key, r.format, a.mime, r.bytes, '' from media_renditions r \
                join page a on a.id = r.asset_id where a.status <> 'deleting' order by 1, 2";
    let rows: Vec<ObjectRow> = select(connection, text, [after.into(), (most as i64).into()]).await?;
    Ok(rows.into_iter().map(|row| (row.asset_id, row.into_object())).collect())
}

impl ObjectRow {
    fn into_object(self) -> StoredObject {
        let (content_type, digest) = match self.format {
            // Renditions are named by the first half of their digest.
            Some(format) => (format.mime().to_owned(), digest_in_name(&self.object_key)),
            None => (self.mime, self.sha256),
        };
        StoredObject { key: self.object_key, content_type, bytes: self.bytes as u64, digest }
    }
}

fn digest_in_name(key: &str) -> String {
    let name = key.rsplit('/').next().unwrap_or_default();
    name.split('.').next().unwrap_or_default().to_owned()
}

/// Every key that the database knows, with its asset.
pub async fn known_keys(connection: &Connection) -> Outcome<Vec<(String, Uuid)>> {
    let text = "select original_key as object_key, id as asset_id from media_assets where original_kept = 1 \
                union all select object_key, asset_id from media_renditions";
    let rows = connection.query_all_raw(sql(connection, text, [])).await?;
    Ok(rows.iter().map(|row| Ok((row.try_get("", "object_key")?, row.try_get("", "asset_id")?))).collect::<Result<_, sea_orm::DbErr>>()?)
}
