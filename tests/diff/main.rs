//! What a plan shows: the cases in which other tools show too much, too little
//! or another thing, each on the real API server, and on the embedded cluster
//! where it models the kind.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and reads files of its own"
)]

mod case;
mod place;
mod play;
mod ports;

use case::{Case, directory};
use std::collections::BTreeSet;

/// A test a case and cluster, and the list of the files.
macro_rules! cases {
    (both { $($both:ident $both_file:literal)* } real only { $($real:ident $real_file:literal)* }) => {
        mod real {
            $(#[test] fn $both() { crate::play::play($both_file, &crate::place::Place::real()); })*
            $(#[test] fn $real() { crate::play::play($real_file, &crate::place::Place::real()); })*
        }
        mod sandbox {
            $(#[test] fn $both() {
                crate::play::play($both_file, &crate::place::Place::sandbox());
            })*
        }
        const BOTH: &[&str] = &[$($both_file),*];
        const REAL_ONLY: &[&str] = &[$($real_file),*];
    };
}

cases! {
    both {
        c01_no_resources "01-no-resources.yaml"
        c02_quantities "02-quantities.yaml"
        c02b_quantity_changes "02b-quantity-changes.yaml"
        c04_explicit_empties "04-explicit-empties.yaml"
        c05_nulls "05-nulls.yaml"
        c05b_null_map_value "05b-null-map-value.yaml"
        c06_floats "06-floats.yaml"
        c06c_fraction_for_integer "06c-fraction-for-integer.yaml"
        c07_service "07-service.yaml"
        c12_token_secrets "12-token-secrets.yaml"
        c13_string_data "13-string-data.yaml"
        c13b_string_data_removed "13b-string-data-removed.yaml"
        c13c_string_data_to_data "13c-string-data-to-data.yaml"
        c14_controllers_marks "14-controllers-marks.yaml"
        c15_status_in_plan "15-status-in-plan.yaml"
        c16_spellings "16-spellings.yaml"
        c16b_duplicate_env "16b-duplicate-env.yaml"
        c16c_carriage_returns "16c-carriage-returns.yaml"
        c17_env_order "17-env-order.yaml"
        c17b_container_order "17b-container-order.yaml"
        c18_label_removed "18-label-removed.yaml"
        c19_field_removed "19-field-removed.yaml"
        c19b_field_released "19b-field-released.yaml"
        c19c_field_defaulted "19c-field-defaulted.yaml"
        c20b_value_by_hand "20b-value-by-hand.yaml"
        c20c_removed_by_hand "20c-removed-by-hand.yaml"
        c20d_deleted_by_hand "20d-deleted-by-hand.yaml"
        c21_extra_field "21-extra-field.yaml"
        c21b_extra_field_no_drift "21b-extra-field-no-drift.yaml"
        c21c_extra_field_lines "21c-extra-field-lines.yaml"
        c21d_many_extra_fields "21d-many-extra-fields.yaml"
        c21e_extra_items "21e-extra-items.yaml"
        c23_port_number "23-port-number.yaml"
        c23b_port_number_owned "23b-port-number-owned.yaml"
        c23c_duplicate_port "23c-duplicate-port.yaml"
        c23d_duplicate_env "23d-duplicate-env.yaml"
        c24_tcp_and_udp "24-tcp-and-udp.yaml"
        c25_atomic_list "25-atomic-list.yaml"
        c25b_atomic_list_taken "25b-atomic-list-taken.yaml"
        c27_vpa "27-vpa.yaml"
        c27b_vpa_conflict "27b-vpa-conflict.yaml"
        c28_client_side_apply "28-client-side-apply.yaml"
        c28b_client_side_taken "28b-client-side-taken.yaml"
        c28c_client_side_same "28c-client-side-same.yaml"
        c28d_helm_release "28d-helm-release.yaml"
        c28e_argo_cd "28e-argo-cd.yaml"
        c28f_argo_cd_server_side "28f-argo-cd-server-side.yaml"
        c28g_flux "28g-flux.yaml"
        c29_dotted_keys "29-dotted-keys.yaml"
        c29b_dotted_keys_change "29b-dotted-keys-change.yaml"
        c29c_conflict_taken "29c-conflict-taken.yaml"
        c29d_conflict_kept "29d-conflict-kept.yaml"
        c31_immutable_selector "31-immutable-selector.yaml"
        c31d_immutable_config "31d-immutable-config.yaml"
        c32_new_namespace "32-new-namespace.yaml"
        c38_large_object "38-large-object.yaml"
        c41_secret_values "41-secret-values.yaml"
        c41b_secret_annotation "41b-secret-annotation.yaml"
        c41c_secret_refused "41c-secret-refused.yaml"
        c41d_secret_conflict "41d-secret-conflict.yaml"
        c41e_secret_immutable "41e-secret-immutable.yaml"
        c42_same_secret "42-same-secret.yaml"
        c44_many_objects "44-many-objects.yaml"
        c46_deletion_alone "46-deletion-alone.yaml"
    }
    real only {
        c01b_no_resources_statefulset "01b-no-resources-statefulset.yaml"
        c03_crd_defaults "03-crd-defaults.yaml"
        c06b_floats_custom "06b-floats-custom.yaml"
        c07b_service_outside "07b-service-outside.yaml"
        c08_volume_claims "08-volume-claims.yaml"
        c09_hpa_metrics "09-hpa-metrics.yaml"
        c10_aggregated_roles "10-aggregated-roles.yaml"
        c11_ca_bundles "11-ca-bundles.yaml"
        c12b_token_secret "12b-token-secret.yaml"
        c14b_job_and_claim "14b-job-and-claim.yaml"
        c14c_namespace "14c-namespace.yaml"
        c14d_finalizers "14d-finalizers.yaml"
        c15b_status_in_crd "15b-status-in-crd.yaml"
        c20_image_by_hand "20-image-by-hand.yaml"
        c22_other_version "22-other-version.yaml"
        c22b_hpa_version "22b-hpa-version.yaml"
        c26_hpa_replicas "26-hpa-replicas.yaml"
        c26b_hpa_and_image "26b-hpa-and-image.yaml"
        c28h_other_entry_gone "28h-other-entry-gone.yaml"
        c30_version_gone "30-version-gone.yaml"
        c31b_immutable_job "31b-immutable-job.yaml"
        c31c_immutable_claims "31c-immutable-claims.yaml"
        c33_new_kind "33-new-kind.yaml"
        c34_no_dry_runs "34-no-dry-runs.yaml"
        c35_webhook_down "35-webhook-down.yaml"
        c36_read_only "36-read-only.yaml"
        c36b_read_only_defaults "36b-read-only-defaults.yaml"
        c37_broken_api "37-broken-api.yaml"
        c39_too_large "39-too-large.yaml"
        c40_finalizer "40-finalizer.yaml"
        c40b_finalizer_pruned "40b-finalizer-pruned.yaml"
        c47_custom_lists "47-custom-lists.yaml"
    }
}

#[test]
fn every_case_is_listed_once_and_says_why_it_is_not_in_the_sandbox() {
    let there: BTreeSet<String> = std::fs::read_dir(directory())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let listed: Vec<String> = BOTH.iter().chain(REAL_ONLY).map(|f| (*f).to_owned()).collect();
    assert_eq!(listed.iter().cloned().collect::<BTreeSet<_>>(), there);
    assert_eq!(listed.len(), there.len(), "a case is listed twice");
    for file in BOTH {
        assert!(Case::read(file, "x").real_only.is_none(), "{file} is of both clusters");
    }
    for file in REAL_ONLY {
        assert!(Case::read(file, "x").real_only.is_some(), "{file}: `real only: why`");
    }
}
