//! Channels end to end: a simulated shop, its lane, and the ledger between them.
//!
//! What was required of channels (R-numbers of the field's lessons, rows of the scenarios
//! of the semantics), and the tests that prove it:
//!
//! | required | proven by |
//! | --- | --- |
//! | R17 | `r17_every_pair_of_states_moves_the_stock_by_the_book`, `a_recorded_order_is_read_as_it_is`, `an_order_follows_what_the_shop_makes_of_it` |
//! | R21 | `r67_r21_a_file_touches_only_what_it_names`; the basis of what a channel shows: `what_a_shop_shows_is_counted_and_can_be_taken_back` |
//! | R22 | `r22_a_sale_between_read_and_write_is_not_lost`, `shopify_no_sale_is_lost_in_a_thousand_races` |
//! | R23 | `r23_a_stale_count_is_refused_with_what_is_there_now` |
//! | R24 | `a_number_that_was_just_read_is_not_what_a_write_is_compared_with`, `after_a_refused_write_the_orders_come_first` |
//! | R25 | `a_shop_that_is_down_is_left_alone_and_caught_up_with`, `shops_and_ledger_are_equal_when_the_faults_stop_on_sqlite`, `shopify_and_ledger_are_equal_when_the_faults_stop_on_sqlite` |
//! | R26 | `a_number_typed_by_hand_is_written_over_and_told`, `recorded_deliveries_in_their_order_leave_what_the_shop_shows` |
//! | R27 | `mirrored_order`, `what_the_channel_counts_itself_is_mirrored` |
//! | R28 | `a_delivery_that_cannot_be_read_is_kept_and_shown`, `what_cannot_be_told_is_shown_until_somebody_told_it` |
//! | R29 | reason: no order is made at a channel |
//! | R30 | `a_sale_here_is_shown_there_and_a_sale_there_is_not_written_again`; a thousand of them are not counted |
//! | R31 | `channels_are_called_by_one_client`, `what_the_budget_has_no_room_for_in_time_is_not_sent`, `r31_a_hundred_numbers_are_two_reads_and_a_write` |
//! | R32 | `metrics_have_the_promised_names_and_what_happened_in_them`, `r32_more_that_becomes_due_than_is_settled_is_told_until_it_is_over`, `r32_many_that_become_due_at_once_are_not_told` |
//! | R33 | `a_webhook_brings_an_order_at_once`, `recorded_deliveries_shuffled_and_doubled_leave_what_the_shop_shows` |
//! | R34 | `r34_deliveries_of_one_event_are_one_read`, `every_recorded_delivery_is_believed_once_and_only_unchanged`, `recorded_deliveries_shuffled_and_doubled_leave_what_the_shop_shows` |
//! | R35 | `two_accounts_one_id`, `the_database_refuses_impossible_orders` |
//! | R36 | `an_order_follows_what_the_shop_makes_of_it`, `recorded_deliveries_in_their_order_leave_what_the_shop_shows` |
//! | R37 | `a_daemon_that_is_killed_goes_on_where_it_was`; reason for no window of time: WooCommerce signs none |
//! | R38 | reason: no listing is made at a channel |
//! | R39 | `a_daemon_hears_its_webhooks_and_tells_how_it_stands`; that one which was switched off is switched on is not tested |
//! | R40 | `shops_and_ledger_are_equal_when_the_faults_stop_on_sqlite`, `shops_and_ledger_are_equal_when_the_faults_stop_on_postgres`, `shopify_and_ledger_are_equal_when_the_faults_stop_on_sqlite`, `shopify_and_ledger_are_equal_when_the_faults_stop_on_postgres` |
//! | R41 | `r41_a_late_state_loses_against_an_unchanged_newer_one`, `recorded_deliveries_shuffled_and_doubled_leave_what_the_shop_shows` |
//! | R42 | `r42_every_change_of_a_level_is_one_entry_and_one_event` |
//! | R43 | `r43_what_nobody_tells_of_is_looked_at_in_turn` |
//! | R44 | `an_empty_page_in_the_middle_is_no_end`, `a_product_that_goes_between_two_pages_hides_none`, `a_list_of_orders_goes_on_from_the_last_change` |
//! | R45 | `an_order_follows_what_the_shop_makes_of_it`, `shops_and_ledger_are_equal_when_the_faults_stop_on_sqlite`, `shopify_what_came_back_of_a_parcel_leaves_the_rest_promised` |
//! | R46 | `r46_r48_days_add_up_to_the_period_in_every_calendar`, `orders_are_asked_for_by_their_last_change_in_utc`, `the_simulated_shop_answers_as_the_live_one_did` |
//! | R47 | `what_a_shop_sells_is_found_whatever_its_clock_says` |
//! | R53 | `r53_a_refund_that_puts_nothing_back_frees_nothing`, `r53_what_a_cancelled_order_gives_back_is_the_channels_to_say`, `what_is_cancelled_here_is_cancelled_there` |
//! | R57 | `r57_a_renamed_sku_changes_no_number_and_keeps_resolving` |
//! | R58 | `a_line_of_no_listing_waits_and_is_never_guessed` |
//! | R59 | `a_line_of_no_listing_waits_and_is_never_guessed`; an event of a SKU that changed there is not built |
//! | R60 | `r60_skus_are_kept_byte_for_byte_and_parts_may_come_later`, `r60_an_export_imports_again_byte_for_byte` |
//! | R61 | `shopify_a_move_is_heard_of`, `a_place_shows_what_feeds_it_and_sells_from_there`, `a_location_shows_the_sum_of_what_feeds_it`, `a_sale_at_a_location_is_taken_from_whatever_feeds_it`; an order of WooCommerce names no location |
//! | R62 | `r62_a_hold_that_moves_keeps_its_total` |
//! | R63 | `what_two_shops_sell_at_once_is_owed_and_adds_up`, `shops_and_ledger_are_equal_when_the_faults_stop_on_postgres`, `shopify_and_ledger_are_equal_when_the_faults_stop_on_sqlite` |
//! | R66 | `r66_a_hundred_simple_products_take_one_write_and_one_read` |
//! | R67 | `r67_r21_a_file_touches_only_what_it_names`; setting what is missing to 0 is not offered |
//! | R68 | `r68_what_is_not_counted_is_not_written_over`, `a_channel_in_shadow_hears_and_says_nothing`, `a_shop_is_connected_step_by_step`; a configuration that says live is believed |
//! | R69 | `a_refusal_for_speed_pauses_the_budget_and_headers_fill_it` |
//! | R70 | `r70_a_thousand_changes_are_few_writes_and_the_last_is_right`, `what_waits_for_the_day_is_explained_and_sells_out_at_once` |
//! | R71 | reason: it is about Etsy, which is not connected |
//! | R72 | `a_refusal_for_speed_pauses_the_budget_and_headers_fill_it`, `shops_and_ledger_are_equal_when_the_faults_stop_on_sqlite` |
//! | R73 | `r73_what_sells_goes_before_what_a_file_changed`; how long it takes is measured by the bench of channels |
//! | R74 | `r74_the_terms_add_up_to_what_may_be_promised`, `explain_tells_the_terms_of_a_number` |
//! | §9 Woo race | `r22_a_sale_between_read_and_write_is_not_lost` |
//! | §9 Shopify race | `r22_a_compared_write_that_meets_a_sale_is_refused_and_made_anew` |
//! | §9 human types the old number | `a_number_typed_by_hand_is_written_over_and_told`, `the_old_number_typed_by_hand_is_told_from_no_sale` |
//! | §9 mirrored order | `mirrored_order`, `what_the_channel_counts_itself_is_mirrored` |
//! | §9 shadow sales count | `shadow_sales_count`, `a_channel_in_shadow_hears_and_says_nothing` |
//! | §9 history at connect | `history_at_connect` |
//! | §9 old shipment | `old_shipment` |
//! | §9 two accounts, one id | `two_accounts_one_id` |

mod behind;
mod bulk;
mod chaos;
mod daemons;
mod daily;
mod desk;
mod events;
mod explained;
mod feeds;
mod hooks;
mod migrated;
mod orders;
mod parcels;
mod places;
mod push;
mod push_back;
mod quiet;
mod recorded;
mod recording;
mod replay;
mod shared;
mod shopify;
mod states;
mod stocking;
mod table;
mod tokens;
mod unlisted;
mod world;
