//! What may be asked for: the part of the Admin API 2026-10 that is served here.

use std::collections::BTreeMap;

use graphql_parser::schema::{Definition, InputValue, Type, TypeDefinition, parse_schema};

/// Types, nullability and words agree with the published schema of 2026-10; what it has
/// beside this is not served.
const TEXT: &str = "
type QueryRoot {
  currentAppInstallation: AppInstallation!
  fulfillment(id: ID!): Fulfillment
  fulfillmentOrder(id: ID!): FulfillmentOrder
  inventoryItem(id: ID!): InventoryItem
  inventoryItems(after: String, first: Int, query: String): InventoryItemConnection!
  inventoryLevel(id: ID!): InventoryLevel
  location(id: ID): Location
  locations(after: String, first: Int, includeInactive: Boolean): LocationConnection!
  node(id: ID!): Node
  nodes(ids: [ID!]!): [Node]!
  order(id: ID!): Order
  orders(after: String, first: Int, query: String, sortKey: OrderSortKeys): OrderConnection!
  product(id: ID!): Product
  productVariant(id: ID!): ProductVariant
  productVariants(after: String, first: Int, query: String, sortKey: ProductVariantSortKeys): ProductVariantConnection!
  refund(id: ID!): Refund
  shop: Shop!
  webhookSubscription(id: ID!): WebhookSubscription
  webhookSubscriptions(after: String, first: Int, topics: [WebhookSubscriptionTopic!]): WebhookSubscriptionConnection!
}
type Mutation {
  fulfillmentCreate(fulfillment: FulfillmentInput!, message: String): FulfillmentCreatePayload
  inventoryActivate(available: Int, inventoryItemId: ID!, locationId: ID!, onHand: Int, stockAtLegacyLocation: Boolean): InventoryActivatePayload
  inventorySetQuantities(input: InventorySetQuantitiesInput!): InventorySetQuantitiesPayload
  orderCancel(notifyCustomer: Boolean, orderId: ID!, reason: OrderCancelReason!, refund: Boolean, restock: Boolean!, staffNote: String): OrderCancelPayload
  webhookSubscriptionCreate(topic: WebhookSubscriptionTopic!, webhookSubscription: WebhookSubscriptionInput!): WebhookSubscriptionCreatePayload
  webhookSubscriptionDelete(id: ID!): WebhookSubscriptionDeletePayload
}
type Node { id: ID! }
type PageInfo { endCursor: String hasNextPage: Boolean! hasPreviousPage: Boolean! startCursor: String }
type Shop { currencyCode: CurrencyCode! id: ID! myshopifyDomain: String! name: String! plan: ShopPlan! }
type ShopPlan { publicDisplayName: String! shopifyPlus: Boolean! }
type AppInstallation { accessScopes: [AccessScope!]! id: ID! }
type AccessScope { description: String! handle: String! }
type Location {
  fulfillsOnlineOrders: Boolean! id: ID! isActive: Boolean! isFulfillmentService: Boolean!
  legacyResourceId: UnsignedInt64! name: String!
}
type LocationConnection { edges: [LocationEdge!]! nodes: [Location!]! pageInfo: PageInfo! }
type LocationEdge { cursor: String! node: Location! }
type Product { id: ID! legacyResourceId: UnsignedInt64! status: ProductStatus! title: String! }
type ProductVariant {
  displayName: String! id: ID! inventoryItem: InventoryItem!
  inventoryPolicy: ProductVariantInventoryPolicy! inventoryQuantity: Int
  legacyResourceId: UnsignedInt64! price: Money! product: Product! sku: String title: String!
  requiresComponents: Boolean! updatedAt: DateTime!
}
type ProductVariantConnection { edges: [ProductVariantEdge!]! nodes: [ProductVariant!]! pageInfo: PageInfo! }
type ProductVariantEdge { cursor: String! node: ProductVariant! }
type InventoryItem {
  id: ID! inventoryLevel(includeInactive: Boolean, locationId: ID!): InventoryLevel
  inventoryLevels(after: String, first: Int, includeInactive: Boolean): InventoryLevelConnection!
  legacyResourceId: UnsignedInt64! requiresShipping: Boolean! sku: String tracked: Boolean!
  updatedAt: DateTime! variant: ProductVariant!
}
type InventoryItemConnection { edges: [InventoryItemEdge!]! nodes: [InventoryItem!]! pageInfo: PageInfo! }
type InventoryItemEdge { cursor: String! node: InventoryItem! }
type InventoryLevel {
  id: ID! isActive: Boolean! item: InventoryItem! location: Location!
  quantities(names: [String!]!): [InventoryQuantity!]! updatedAt: DateTime!
}
type InventoryLevelConnection { edges: [InventoryLevelEdge!]! nodes: [InventoryLevel!]! pageInfo: PageInfo! }
type InventoryLevelEdge { cursor: String! node: InventoryLevel! }
type InventoryQuantity { id: ID! name: String! quantity: Int! updatedAt: DateTime }
type MoneyBag { presentmentMoney: MoneyV2! shopMoney: MoneyV2! }
type MoneyV2 { amount: Decimal! currencyCode: CurrencyCode! }
type Order {
  cancelReason: OrderCancelReason cancellation: OrderCancellation cancelledAt: DateTime closedAt: DateTime createdAt: DateTime!
  currencyCode: CurrencyCode! displayFinancialStatus: OrderDisplayFinancialStatus
  displayFulfillmentStatus: OrderDisplayFulfillmentStatus! edited: Boolean!
  fulfillmentOrders(after: String, displayable: Boolean = false, first: Int): FulfillmentOrderConnection!
  fulfillments(first: Int): [Fulfillment!]! id: ID! legacyResourceId: UnsignedInt64!
  lineItems(after: String, first: Int): LineItemConnection! name: String! number: Int!
  processedAt: DateTime! refunds(first: Int): [Refund!]! test: Boolean!
  totalPriceSet: MoneyBag! updatedAt: DateTime!
}
type OrderCancellation { staffNote: String }
type OrderConnection { edges: [OrderEdge!]! nodes: [Order!]! pageInfo: PageInfo! }
type OrderEdge { cursor: String! node: Order! }
type LineItem {
  currentQuantity: Int! id: ID! name: String! originalUnitPriceSet: MoneyBag! product: Product
  quantity: Int! requiresShipping: Boolean! sku: String title: String! unfulfilledQuantity: Int!
  variant: ProductVariant
}
type LineItemConnection { edges: [LineItemEdge!]! nodes: [LineItem!]! pageInfo: PageInfo! }
type LineItemEdge { cursor: String! node: LineItem! }
type FulfillmentOrder {
  assignedLocation: FulfillmentOrderAssignedLocation! fulfillAt: DateTime id: ID!
  lineItems(after: String, first: Int): FulfillmentOrderLineItemConnection!
  order: Order! orderId: ID! orderName: String! status: FulfillmentOrderStatus!
}
type FulfillmentOrderConnection { edges: [FulfillmentOrderEdge!]! nodes: [FulfillmentOrder!]! pageInfo: PageInfo! }
type FulfillmentOrderEdge { cursor: String! node: FulfillmentOrder! }
type FulfillmentOrderAssignedLocation { location: Location name: String! }
type FulfillmentOrderLineItem {
  id: ID! lineItem: LineItem! remainingQuantity: Int! requiresShipping: Boolean! sku: String
  totalQuantity: Int! variant: ProductVariant
}
type FulfillmentOrderLineItemConnection { edges: [FulfillmentOrderLineItemEdge!]! nodes: [FulfillmentOrderLineItem!]! pageInfo: PageInfo! }
type FulfillmentOrderLineItemEdge { cursor: String! node: FulfillmentOrderLineItem! }
type Fulfillment {
  createdAt: DateTime! fulfillmentLineItems(after: String, first: Int): FulfillmentLineItemConnection!
  id: ID! location: Location name: String! order: Order! status: FulfillmentStatus!
  totalQuantity: Int! trackingInfo(first: Int): [FulfillmentTrackingInfo!]!
}
type FulfillmentTrackingInfo { company: String number: String url: URL }
type FulfillmentLineItem { id: ID! lineItem: LineItem! quantity: Int }
type FulfillmentLineItemConnection { edges: [FulfillmentLineItemEdge!]! nodes: [FulfillmentLineItem!]! pageInfo: PageInfo! }
type FulfillmentLineItemEdge { cursor: String! node: FulfillmentLineItem! }
type Refund {
  createdAt: DateTime id: ID! legacyResourceId: UnsignedInt64! order: Order!
  refundLineItems(after: String, first: Int): RefundLineItemConnection!
}
type RefundLineItem {
  id: ID lineItem: LineItem! location: Location quantity: Int!
  restockType: RefundLineItemRestockType! restocked: Boolean!
}
type RefundLineItemConnection { edges: [RefundLineItemEdge!]! nodes: [RefundLineItem!]! pageInfo: PageInfo! }
type RefundLineItemEdge { cursor: String! node: RefundLineItem! }
type WebhookSubscription {
  callbackUrl: URL! format: WebhookSubscriptionFormat! id: ID! legacyResourceId: UnsignedInt64!
  topic: WebhookSubscriptionTopic! uri: String!
}
type WebhookSubscriptionConnection { edges: [WebhookSubscriptionEdge!]! nodes: [WebhookSubscription!]! pageInfo: PageInfo! }
type WebhookSubscriptionEdge { cursor: String! node: WebhookSubscription! }
type UserError { field: [String!] message: String! }
type InventorySetQuantitiesPayload {
  inventoryAdjustmentGroup: InventoryAdjustmentGroup userErrors: [InventorySetQuantitiesUserError!]!
}
type InventorySetQuantitiesUserError { code: InventorySetQuantitiesUserErrorCode field: [String!] message: String! }
type InventoryAdjustmentGroup { createdAt: DateTime! id: ID! reason: String! referenceDocumentUri: String }
type InventoryActivatePayload { inventoryLevel: InventoryLevel userErrors: [UserError!]! }
type FulfillmentCreatePayload { fulfillment: Fulfillment userErrors: [UserError!]! }
type OrderCancelPayload { job: Job orderCancelUserErrors: [OrderCancelUserError!]! userErrors: [UserError!]! }
type OrderCancelUserError { code: OrderCancelUserErrorCode field: [String!] message: String! }
type Job { done: Boolean! id: ID! }
type WebhookSubscriptionCreatePayload { userErrors: [UserError!]! webhookSubscription: WebhookSubscription }
type WebhookSubscriptionDeletePayload { deletedWebhookSubscriptionId: ID userErrors: [UserError!]! }
input InventorySetQuantitiesInput { name: String! quantities: [InventoryQuantityInput!]! reason: String! referenceDocumentUri: String }
input InventoryQuantityInput { changeFromQuantity: Int inventoryItemId: ID! locationId: ID! quantity: Int! }
input FulfillmentInput {
  lineItemsByFulfillmentOrder: [FulfillmentOrderLineItemsInput!]! notifyCustomer: Boolean
  trackingInfo: FulfillmentTrackingInput
}
input FulfillmentOrderLineItemsInput { fulfillmentOrderId: ID! fulfillmentOrderLineItems: [FulfillmentOrderLineItemInput!] }
input FulfillmentOrderLineItemInput { id: ID! quantity: Int! }
input FulfillmentTrackingInput { company: String number: String numbers: [String!] url: URL urls: [URL!] }
input WebhookSubscriptionInput {
  callbackUrl: URL filter: String format: WebhookSubscriptionFormat includeFields: [String!]
  metafieldNamespaces: [String!] name: String uri: String
}
enum OrderSortKeys {
  CREATED_AT CURRENT_TOTAL_PRICE CUSTOMER_NAME DESTINATION FINANCIAL_STATUS FULFILLMENT_STATUS ID
  ORDER_NUMBER PO_NUMBER PROCESSED_AT RELEVANCE TOTAL_ITEMS_QUANTITY TOTAL_PRICE UPDATED_AT
}
enum ProductVariantSortKeys {
  FULL_TITLE ID INVENTORY_LEVELS_AVAILABLE INVENTORY_MANAGEMENT INVENTORY_POLICY
  INVENTORY_QUANTITY NAME POPULAR POSITION RELEVANCE SKU TITLE
}
enum OrderCancelReason { CUSTOMER DECLINED FRAUD INVENTORY OTHER STAFF }
enum WebhookSubscriptionFormat { JSON XML }
enum WebhookSubscriptionTopic {
  APP_SCOPES_UPDATE APP_UNINSTALLED BULK_OPERATIONS_FINISH FULFILLMENTS_CREATE FULFILLMENTS_UPDATE
  FULFILLMENT_ORDERS_CANCELLED FULFILLMENT_ORDERS_HOLD_RELEASED FULFILLMENT_ORDERS_MERGED
  FULFILLMENT_ORDERS_MOVED FULFILLMENT_ORDERS_ORDER_ROUTING_COMPLETE
  FULFILLMENT_ORDERS_PLACED_ON_HOLD FULFILLMENT_ORDERS_SPLIT
  INVENTORY_ITEMS_CREATE INVENTORY_ITEMS_DELETE INVENTORY_ITEMS_UPDATE INVENTORY_LEVELS_CONNECT
  INVENTORY_LEVELS_DISCONNECT INVENTORY_LEVELS_UPDATE LOCATIONS_ACTIVATE LOCATIONS_CREATE
  LOCATIONS_DEACTIVATE LOCATIONS_DELETE LOCATIONS_UPDATE ORDERS_CANCELLED ORDERS_CREATE
  ORDERS_DELETE ORDERS_EDITED ORDERS_FULFILLED ORDERS_PAID ORDERS_PARTIALLY_FULFILLED
  ORDERS_UPDATED PRODUCTS_CREATE PRODUCTS_DELETE PRODUCTS_UPDATE REFUNDS_CREATE SHOP_UPDATE
}
";

/// The kind of a field or of an argument.
pub(super) type Kind = Type<'static, String>;

/// A field of a type.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) kind: Kind,
    pub(super) arguments: BTreeMap<String, Kind>,
}

/// What is known of the types.
#[derive(Debug, Default)]
pub(super) struct Schema {
    objects: BTreeMap<String, BTreeMap<String, Field>>,
    inputs: BTreeMap<String, BTreeMap<String, Kind>>,
    enums: BTreeMap<String, Vec<String>>,
}

impl Schema {
    pub(super) fn read() -> std::io::Result<Self> {
        let document = parse_schema::<String>(TEXT).map_err(std::io::Error::other)?;
        let mut schema = Self::default();
        for definition in document.definitions {
            let Definition::TypeDefinition(definition) = definition else { continue };
            match definition {
                TypeDefinition::Object(object) => {
                    let fields = object.fields.into_iter().map(|field| {
                        let arguments = kinds(field.arguments);
                        (field.name, Field { kind: field.field_type, arguments })
                    });
                    schema.objects.insert(object.name, fields.collect());
                }
                TypeDefinition::InputObject(input) => {
                    schema.inputs.insert(input.name, kinds(input.fields));
                }
                TypeDefinition::Enum(one) => {
                    let words = one.values.into_iter().map(|word| word.name);
                    schema.enums.insert(one.name, words.collect());
                }
                _ => {}
            }
        }
        Ok(schema)
    }

    /// A field of a type.
    pub(super) fn field(&self, object: &str, name: &str) -> Option<&Field> {
        self.objects.get(object)?.get(name)
    }

    /// Whether there is such a type with fields.
    pub(super) fn has_object(&self, name: &str) -> bool {
        self.objects.contains_key(name)
    }

    /// The fields of an input.
    pub(super) fn input(&self, name: &str) -> Option<&BTreeMap<String, Kind>> {
        self.inputs.get(name)
    }

    /// The words of an enum.
    pub(super) fn words(&self, name: &str) -> Option<&Vec<String>> {
        self.enums.get(name)
    }
}

fn kinds(values: Vec<InputValue<'static, String>>) -> BTreeMap<String, Kind> {
    values.into_iter().map(|value| (value.name, value.value_type)).collect()
}

/// The name of a kind, without what is around it.
pub(super) fn name<'k>(kind: &'k Type<'_, String>) -> &'k str {
    match kind {
        Type::NamedType(name) => name,
        Type::ListType(inner) | Type::NonNullType(inner) => name(inner),
    }
}

/// Whether it may not be null.
pub(super) const fn is_required(kind: &Type<'_, String>) -> bool {
    matches!(kind, Type::NonNullType(_))
}

/// What a list is of, where it is one.
pub(super) fn entry<'k, 'a>(kind: &'k Type<'a, String>) -> Option<&'k Type<'a, String>> {
    match kind {
        Type::NonNullType(inner) => entry(inner),
        Type::ListType(inner) => Some(inner),
        Type::NamedType(_) => None,
    }
}

/// Whether a variable of one kind may stand where the other is asked for.
pub(super) fn fits(given: &Type<'_, String>, wanted: &Type<'_, String>, has_default: bool) -> bool {
    match (given, wanted) {
        (Type::NonNullType(given), Type::NonNullType(wanted))
        | (Type::ListType(given), Type::ListType(wanted)) => fits(given, wanted, false),
        (Type::NonNullType(given), wanted) => fits(given, wanted, false),
        (given, Type::NonNullType(wanted)) => has_default && fits(given, wanted, false),
        (Type::NamedType(given), Type::NamedType(wanted)) => given == wanted,
        _ => false,
    }
}
