//! Exporting files, and reading them back.

use invshop::import::{self, Job, Kind};
use std::fmt::Write as _;

use crate::both;
use crate::harness::{Backend, TestShop};
use crate::import::{load, quiet};

async fn text(shop: &TestShop, kind: Kind, defuse: bool) -> String {
    let mut out = Vec::new();
    import::export(&shop.shop, kind, &mut out, defuse, &quiet).await.unwrap();
    String::from_utf8(out).unwrap()
}

const ITEMS: &str = "sku,title,barcode,price,cost,currency,location,on_hand,safety,reorder_point,attributes,components\n\
     \" A \",Spaces,,,,,main,2,0,,,\n\
     0017,Ladle,4006381333931,9.90,3.56,EUR,main,5,1,3,\"{\"\"a\"\":1}\",\n\
     1E5,Yen,,1290,,JPY,main,1,0,,,\n\
     90.750,\"Bowl, \"\"deep\"\"\",,,,,main,0,0,,,\n\
     =1+1,Formula,,,,,main,3,0,,,\n\
     SET,Set,,,,,,,,,,0017:2;=1+1:1\n\
     Ä,Umlaut,,,,,,,,,,\n";

both!(r60_an_export_imports_again_byte_for_byte, |shop| {
    load(&shop, &Job::new(Kind::Items), ITEMS).await.unwrap();
    let items = text(&shop, Kind::Items, false).await;
    let unquoted = ITEMS.replace("\" A \"", " A ");
    assert_eq!(items, unquoted);
    let orders = "order_id,sku,quantity,channel,unit_price,currency,placed_at,customer_email\n\
        1, A ,1,cli,,,2026-03-01T10:00:00.000Z,\n\
        A-7,0017,2,web,9.90,EUR,2026-03-01T11:00:00.000Z,a@example.org\n\
        A-7,1E5,1,web,,EUR,2026-03-01T11:00:00.000Z,a@example.org\n";
    load(&shop, &Job::new(Kind::Orders), orders).await.unwrap();
    assert_eq!(text(&shop, Kind::Orders, false).await, orders);
    let stock = text(&shop, Kind::Stock, false).await;
    assert!(stock.contains("\n90.750,0,main\n"), "{stock}");
    let second = TestShop::new(Backend::Sqlite).await;
    load(&second, &Job::new(Kind::Items), &items).await.unwrap();
    load(&second, &Job::new(Kind::Stock), &stock).await.unwrap();
    load(&second, &Job::new(Kind::Orders), orders).await.unwrap();
    for kind in [Kind::Items, Kind::Stock, Kind::Orders] {
        assert_eq!(text(&second, kind, false).await, text(&shop, kind, false).await);
    }
    second.end().await;
});

both!(formulas_are_defused_on_request_only, |shop| {
    load(&shop, &Job::new(Kind::Items), "sku,title\n=1+1,@SUM(A1)\n-5,+1\n").await.unwrap();
    let plain = text(&shop, Kind::Items, false).await;
    assert!(plain.contains("\n=1+1,@SUM(A1),"), "{plain}");
    let defused = text(&shop, Kind::Items, true).await;
    assert!(defused.contains("\n'=1+1,'@SUM(A1),"), "{defused}");
    assert!(defused.contains("\n'-5,'+1,"), "{defused}");
});

both!(an_export_longer_than_a_page_is_whole_and_sorted, |shop| {
    let mut file = String::from("sku,title,on_hand\n");
    for row in 0..2_500 {
        writeln!(file, "I-{row:05},Item,{}", row % 9).unwrap();
    }
    load(&shop, &Job::new(Kind::Items), &file).await.unwrap();
    for kind in [Kind::Items, Kind::Stock] {
        let text = text(&shop, kind, false).await;
        let skus: Vec<&str> =
            text.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
        assert_eq!(skus.len(), 2_500);
        assert!(skus.is_sorted());
    }
});
