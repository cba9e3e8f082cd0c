/* One line a suite: its declaration, and its place in the table. */
#include <check.h>

Suite *suite_base(void);
Suite *suite_board(void);
Suite *suite_power(void);
Suite *suite_meter(void);
Suite *suite_caches(void);
Suite *suite_json(void);
Suite *suite_safetensors(void);
Suite *suite_picture(void);
Suite *suite_dataset(void);
Suite *suite_ref(void);
Suite *suite_kern(void);
Suite *suite_tile(void);
Suite *suite_rows(void);
Suite *suite_exp(void);
Suite *suite_update(void);
Suite *suite_gemm(void);
Suite *suite_conv(void);
Suite *suite_both(void);
Suite *suite_depthwise(void);
Suite *suite_norm(void);
Suite *suite_act(void);
Suite *suite_layout(void);
Suite *suite_pool(void);
Suite *suite_loss(void);
Suite *suite_spec(void);
Suite *suite_program(void);
Suite *suite_chunk(void);
Suite *suite_settings(void);
Suite *suite_net(void);
Suite *suite_optim(void);
Suite *suite_weights(void);
Suite *suite_grad(void);
Suite *suite_features(void);
Suite *suite_delta(void);
Suite *suite_filter(void);
Suite *suite_signs(void);
Suite *suite_symmetry(void);
Suite *suite_bench(void);
Suite *suite_mode(void);
Suite *suite_chain(void);
Suite *suite_recipe(void);
Suite *suite_patch(void);
Suite *suite_winograd(void);
Suite *suite_wino_error(void);
Suite *suite_pixels(void);
Suite *suite_onnx(void);
Suite *suite_predict(void);
Suite *suite_limits(void);
Suite *suite_report(void);
Suite *suite_estimate(void);
Suite *suite_watch(void);
Suite *suite_rundir(void);

static Suite *(*const suites[])(void) = {
	suite_base,    suite_meter,	  suite_power,	  suite_board,	    suite_caches,
	suite_json,    suite_safetensors, suite_picture,  suite_dataset,    suite_ref,
	suite_kern,    suite_tile,	  suite_rows,	  suite_exp,	    suite_update,
	suite_gemm,    suite_conv,	  suite_both,	  suite_depthwise,  suite_norm,
	suite_act,     suite_layout,	  suite_pool,	  suite_loss,	    suite_spec,
	suite_program, suite_chunk,	  suite_settings, suite_net,	    suite_optim,
	suite_weights, suite_grad,	  suite_features, suite_delta,	    suite_filter,
	suite_signs,   suite_symmetry,	  suite_bench,	  suite_mode,	    suite_chain,
	suite_recipe,  suite_patch,	  suite_winograd, suite_wino_error, suite_pixels,
	suite_onnx,    suite_predict,	  suite_limits,	  suite_report,	    suite_watch,
	suite_rundir,  suite_estimate,
};
