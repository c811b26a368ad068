//! The simulated shops of the demo, and who buys in them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use invshop::domain::{AllocationPolicy, LocationCode, Quantity, Sku, Title};
use invshop::ledger::catalogue::ItemRow;
use invshop::reports::{self, ItemView, OrderFilter, OrderView, Viewer};
use invshop::sandbox::woocommerce::{self, Caller, Mishaps};
use invshop::secret::{Random as _, SeededRandom, SystemRandom};
use invshop::shop::Shop;
use tokio::task::JoinSet;

use super::stall::{Kind, Stall};
use crate::failure::Failure;

/// The names of the shops, and what each is run with.
const SHOPS: [(&str, Kind); 4] = [
    ("web", Kind::WooCommerce),
    ("outlet", Kind::WooCommerce),
    ("studio", Kind::Shopify),
    ("partner", Kind::Marketplace),
];
/// What the table of all numbers has: an item, and who says how many of it there are.
pub(super) const COLUMNS: [&str; SHOPS.len() + 2] =
    ["item", "#ledger", "#web", "#outlet", "#studio", "#partner"];
/// What everybody wants.
const HOT: &str = "LAMP-BRASS";
const HOT_UNITS: i64 = 10;
/// Buyers of it in each shop at the same moment.
const HOT_BUYERS: u32 = 8;
/// The one that breaks down.
const BROKEN: usize = 1;
/// Plainly invented household goods, and how many there are.
const GOODS: [(&str, &str, i64, i64); 8] = [
    ("MUG-RED", "Stoneware mug, red", 400, 990),
    ("MUG-BLUE", "Stoneware mug, blue", 300, 990),
    ("BOWL-OAK", "Salad bowl, oak", 120, 2490),
    ("TRAY-BEECH", "Serving tray, beech", 60, 1990),
    ("APRON-GREY", "Apron, grey", 200, 1790),
    ("KETTLE-1L", "Kettle, 1 l", 45, 3490),
    ("CLOCK-WALL", "Wall clock", 25, 2990),
    (HOT, "Desk lamp, brass", HOT_UNITS, 5990),
];

/// All shops together.
pub(super) struct Market {
    shops: Vec<Stall>,
    /// Ids of the goods in each shop, by SKU.
    ids: Vec<BTreeMap<String, u64>>,
    chance: SeededRandom,
    secret: String,
    http: Caller,
    _serving: JoinSet<()>,
}

impl Market {
    /// Shops with goods, on ports of their own.
    pub(super) async fn open(seed: u64) -> Result<Self, Failure> {
        let mut bytes = [0; 16];
        SystemRandom.fill(&mut bytes);
        let secret = bytes.iter().fold(String::new(), |mut text, byte| {
            let _infallible = write!(text, "{byte:02x}");
            text
        });
        let (mut shops, mut ids, mut serving) = (Vec::new(), Vec::new(), JoinSet::new());
        for (_, kind) in SHOPS {
            let opened = Stall::open(kind, &secret, &mut serving).await;
            let shop = opened.map_err(|error| Failure::io("a shop", &error))?;
            let mut known = BTreeMap::new();
            for (sku, _, units, price) in GOODS {
                known.insert(sku.to_owned(), shop.add(sku, units, price));
            }
            shop.forget();
            shops.push(shop);
            ids.push(known);
        }
        let http = woocommerce::caller();
        let http = http.map_err(|error| Failure::failed("demo", error.to_string()))?;
        let chance = SeededRandom::new(seed);
        Ok(Self { shops, ids, chance, secret, http, _serving: serving })
    }

    /// The configuration of the shop they sell for.
    pub(super) fn configuration(&self, public_url: &str) -> String {
        let mut text = format!(
            "[server]\npublic_url = \"{public_url}\"\n[schedule]\nverify = \"never\"\n\
             [telemetry]\nlog_level = \"error\"\n"
        );
        for ((name, _), shop) in SHOPS.iter().zip(&self.shops) {
            let (url, secret) = (shop.url(), &self.secret);
            let _infallible = write!(
                text,
                "\n[[channel]]\nname = \"{name}\"\nurl = \"{url}\"\nmode = \"live\"\n\
                 poll_seconds = 5\n{}[channel.webhook]\nsecret = \"{secret}\"\n",
                shop.settings(secret)
            );
        }
        text
    }

    /// The goods, as the ledger gets them.
    pub(super) fn items() -> Vec<(Sku, ItemRow)> {
        let row = |(sku, title, units, price): (&str, &str, i64, i64)| {
            let row = ItemRow {
                title: Title::new(title).ok(),
                price: Some(price),
                currency: Some("EUR".to_owned()),
                location: LocationCode::new("main").ok(),
                on_hand: Quantity::new(units).ok(),
                ..ItemRow::default()
            };
            Some((Sku::new(sku).ok()?, row))
        };
        GOODS.into_iter().filter_map(row).collect()
    }

    /// What is sold in a shop, by its own ids.
    pub(super) fn listings(&self, name: &str) -> Vec<(String, Sku)> {
        let Some(at) = SHOPS.iter().position(|(shop, _)| *shop == name) else { return Vec::new() };
        let (shop, known) = (&self.shops[at], self.ids[at].iter());
        known.filter_map(|(sku, id)| Some((shop.listing(*id), Sku::new(sku).ok()?))).collect()
    }

    /// A line for each shop.
    pub(super) fn describe(&self) -> Vec<String> {
        let line = |((name, kind), shop): (&(&str, Kind), &Stall)| {
            format!("  {name}: {} at {}, {} products", kind.title(), shop.url(), GOODS.len())
        };
        SHOPS.iter().zip(&self.shops).map(line).collect()
    }

    fn below(&self, bound: u64) -> u64 {
        self.chance.next_u64() % bound.max(1)
    }

    /// How long until the next buyer.
    pub(super) fn pause(&self) -> Duration {
        Duration::from_millis(5 + self.below(20))
    }

    /// Somebody buys something somewhere; now and then somebody changes their mind.
    pub(super) fn buy(&mut self) {
        let at = usize::try_from(self.below(SHOPS.len() as u64)).unwrap_or(0);
        let good = usize::try_from(self.below(GOODS.len() as u64 - 1)).unwrap_or(0);
        let units = 1 + i64::try_from(self.below(2)).unwrap_or(0);
        let (shop, id) = (&self.shops[at], self.ids[at][GOODS[good].0]);
        // A shop sells nobody what it says it has not.
        if shop.stock_of(id).is_none_or(|stock| stock < units) {
            return;
        }
        let order = shop.buy(id, units);
        if let (Some(order), 0) = (order, self.below(12)) {
            shop.cancel(order);
        }
    }

    /// Everybody buys one thing at once.
    pub(super) fn burst(&mut self) {
        for (shop, ids) in self.shops.iter().zip(&self.ids) {
            for _ in 0..HOT_BUYERS {
                shop.buy(ids[HOT], 1);
            }
        }
    }

    /// A shop is down, or up again; what it had to tell is forgotten.
    pub(super) fn break_down(&mut self, is_down: bool) {
        let shop = &self.shops[BROKEN];
        shop.break_down(is_down);
        shop.forget();
    }

    /// The shops call their webhooks; one that is down calls nobody.
    pub(super) async fn tell(&mut self) {
        for (at, shop) in self.shops.iter().enumerate() {
            if shop.is_down() {
                shop.forget();
                continue;
            }
            let chance = &self.chance;
            let mut throw = |bound: u32| {
                u32::try_from(chance.next_u64() % u64::from(bound.max(1))).unwrap_or(0)
            };
            // One of them loses some of its calls on the way, as real ones do.
            let dropped_percent = if at == 0 { 10 } else { 0 };
            let mishaps = Mishaps { dropped_percent, ..Mishaps::default() };
            shop.deliver(&self.http, mishaps, &mut throw).await;
        }
    }

    /// What the ledger says of the goods, in their order.
    pub(super) async fn ledger(&self, shop: &Shop) -> Result<Vec<ItemView>, Failure> {
        let skus: Vec<Sku> = GOODS.iter().filter_map(|good| Sku::new(good.0).ok()).collect();
        let views = reports::items_by_sku(&shop.db, &skus, AllocationPolicy::Split).await?;
        Ok(views.into_iter().flatten().collect())
    }

    /// What the shops show of a good.
    pub(super) fn shown(&self, sku: &str) -> Vec<Option<i64>> {
        let pairs = self.shops.iter().zip(&self.ids);
        pairs.map(|(shop, ids)| shop.stock_of(*ids.get(sku)?)).collect()
    }

    /// How it stands, on one line.
    pub(super) async fn line(&self, shop: &Shop) -> Result<String, Failure> {
        let ledger = self.ledger(shop).await?;
        let orders = self.orders();
        let mut line = format!("{orders:>4} orders");
        for good in ledger.iter().filter(|good| good.sku == GOODS[0].0 || good.sku == HOT) {
            let shown = self.shown(&good.sku).into_iter();
            let shown: Vec<String> = shown
                .map(|units| units.map_or("?".to_owned(), |units| units.to_string()))
                .collect();
            let (sku, units) = (&good.sku, good.totals.available_to_promise);
            let _infallible = write!(line, " | {sku}: ledger {units}, shops {}", shown.join(" "));
        }
        Ok(line)
    }

    /// Whether every shop shows what the ledger implies, and every order is in.
    pub(super) async fn is_equal(&self, shop: &Shop) -> Result<bool, Failure> {
        for good in self.ledger(shop).await? {
            let wanted = Some(good.totals.available_to_promise);
            if self.shown(&good.sku).into_iter().any(|shown| shown != wanted) {
                return Ok(false);
            }
        }
        Ok(self.missing_orders(shop).await?.is_empty())
    }

    /// Orders of shops that the ledger has not, or has otherwise.
    pub(super) async fn missing_orders(&self, shop: &Shop) -> Result<Vec<String>, Failure> {
        let mut missing = Vec::new();
        for ((name, _), stall) in SHOPS.iter().zip(&self.shops) {
            let here = orders_of(shop, name).await?;
            for order in stall.orders() {
                let status = here.get(&order.id).map(|view| view.status.as_str());
                let agrees = if order.is_cancelled {
                    matches!(status, None | Some("cancelled"))
                } else {
                    matches!(status, Some("open" | "backordered"))
                };
                if !agrees {
                    missing.push(format!("{name}:{}", order.id));
                }
            }
        }
        Ok(missing)
    }

    /// Orders in all shops.
    pub(super) fn orders(&self) -> usize {
        self.shops.iter().map(|shop| shop.orders().len()).sum()
    }

    /// Units of a good that shops sold and did not take back.
    pub(super) fn sold(&self, sku: &str) -> i64 {
        let of_shop = |(shop, ids): (&Stall, &BTreeMap<String, u64>)| -> i64 {
            let Some(id) = ids.get(sku) else { return 0 };
            let open = shop.orders().into_iter().filter(|order| !order.is_cancelled);
            let lines = open.flat_map(|order| order.lines).filter(|(of, _)| of == id);
            lines.map(|(_, units)| units).sum()
        };
        self.shops.iter().zip(&self.ids).map(of_shop).sum()
    }

    /// Names and units of the goods at the beginning.
    pub(super) fn goods() -> impl Iterator<Item = (&'static str, i64)> {
        GOODS.iter().map(|(sku, _, units, _)| (*sku, *units))
    }
}

/// The ledger's orders of a channel, by the channel's ids.
async fn orders_of(shop: &Shop, channel: &str) -> Result<BTreeMap<String, OrderView>, Failure> {
    let filter = OrderFilter { channel: Some(channel.to_owned()), ..OrderFilter::default() };
    let (mut all, mut cursor) = (BTreeMap::new(), None);
    loop {
        let viewer = Viewer { own_source: Some(channel), key: None };
        let page =
            reports::orders(&shop.db, &filter, viewer, cursor.as_deref(), reports::LIMIT_MAX)
                .await?;
        all.extend(page.data.into_iter().map(|view| (view.external_id.clone(), view)));
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(all);
        }
    }
}
