//! What buyers keep, and prices by quantity.

use crate::Step;

pub const STEP: Step = Step { name: "m0023_buyers", tables: TABLES, sqlite: SQLITE, postgres: POSTGRES };

// The more one takes, the less a piece costs: held for each tier against the price of one and against the other tiers.
const TABLES: &str = "
create table favourites (
    id $uuid primary key,
    user_id $uuid not null references users (id),
    product_id $uuid not null references products (id),
    created_at $time not null,
    unique (user_id, product_id)
) $strict;
create index favourites_of on favourites (user_id, id);

create table price_tiers (
    variant_id $uuid not null references product_variants (id),
    min_quantity $int not null check (min_quantity >= 2),
    price_minor $int not null check (price_minor > 0 and price_minor % 100 = 0),
    primary key (variant_id, min_quantity)
) $strict;
";

const SQLITE: &str = "
create trigger price_tiers_fall before insert on price_tiers
    when exists (select 1 from product_variants v where v.id = new.variant_id and v.price_minor <= new.price_minor)
        or exists (select 1 from price_tiers t where t.variant_id = new.variant_id
            and ((t.min_quantity < new.min_quantity and t.price_minor <= new.price_minor)
                or (t.min_quantity > new.min_quantity and t.price_minor >= new.price_minor)))
    begin select raise(abort, 'price_tiers_fall'); end;
create trigger price_tiers_stay before update on price_tiers
    begin select raise(abort, 'price_tiers_stay'); end;
create trigger variant_price_over_tiers before update of price_minor on product_variants
    when exists (select 1 from price_tiers t where t.variant_id = new.id and t.price_minor >= new.price_minor)
    begin select raise(abort, 'price_tiers_fall'); end;
";

const POSTGRES: &str = "
create function price_tiers_fall() returns trigger language plpgsql as $$
begin
    -- Two who set tiers of one variant wait for each other.
    perform 1 from product_variants v where v.id = new.variant_id for update;
    if exists (select 1 from product_variants v where v.id = new.variant_id and v.price_minor <= new.price_minor)
        or exists (select 1 from price_tiers t where t.variant_id = new.variant_id
            and ((t.min_quantity < new.min_quantity and t.price_minor <= new.price_minor)
                or (t.min_quantity > new.min_quantity and t.price_minor >= new.price_minor))) then
        raise exception 'price_tiers_fall' using errcode = 'check_violation';
    end if;
    return new;
end $$;
create trigger price_tiers_fall before insert on price_tiers for each row execute function price_tiers_fall();
create function price_tiers_stay() returns trigger language plpgsql as $$
begin raise exception 'price_tiers_stay' using errcode = 'check_violation'; end $$;
create trigger price_tiers_stay before update on price_tiers for each row execute function price_tiers_stay();
create function variant_price_over_tiers() returns trigger language plpgsql as $$
begin
    if exists (select 1 from price_tiers t where t.variant_id = new.id and t.price_minor >= new.price_minor) then
        raise exception 'price_tiers_fall' using errcode = 'check_violation';
    end if;
    return new;
end $$;
create trigger variant_price_over_tiers before update of price_minor on product_variants for each row execute function variant_price_over_tiers();
";
